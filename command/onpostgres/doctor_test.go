// Package onpostgres runs the operator's commands on Postgres.
package onpostgres

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/command"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

func open(t *testing.T) string {
	t.Helper()
	return testdb.Postgres(t, migrate)
}

func migrate(ctx context.Context, url string) error {
	driver, err := postgres.Open(ctx, url, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	return migrations.Up(ctx, driver)
}

// run runs a command line of the operators' binary.
func run(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	root := command.New(nil, &command.Options{Name: "mcptasks"})
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	if err != nil {
		t.Logf("%s: %v\n%s", args[0], err, &stderr)
	}
	return stdout.String(), command.ExitCode(err)
}

type report struct {
	Database string
	Healthy  bool
	Checks   []struct {
		Check, Status, Summary, Remedy string
		Items                          []string
	}
}

// faults returns the checks that found a fault.
func (r *report) faults() (names []string) {
	for _, check := range r.Checks {
		if check.Status == "fault" {
			names = append(names, check.Check)
		}
	}
	return names
}

func examine(t *testing.T, url string, flags ...string) (*report, int) {
	t.Helper()
	out, code := run(t, append([]string{"doctor", "-o", "json", "--database", url}, flags...)...)
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return &r, code
}

func exec(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// newTask creates a task that no node runs, and returns its id.
func newTask(t *testing.T, url string) string {
	t.Helper()
	tools := mcptasks.NewTools()
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "report"}, nil, &mcptasks.ToolOptions{Queue: "reports"})
	node, err := runner.Open(t.Context(), url, tools, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	task, err := node.Create(t.Context(), "alice", mcptasks.CreateParams{Tool: "report"})
	if err != nil {
		t.Fatal(err)
	}
	return task.ID
}

// aNode returns an INSERT of a node whose last heartbeat was at now() + interval heartbeat.
func aNode(id, tool, queue, heartbeat string) string {
	return `INSERT INTO mcptasks.mcp_node (id, host, tools, queues, beat_at)
		VALUES ('` + id + `', 'host-1', '{` + tool + `}', '{` + queue + `}', now() + interval '` + heartbeat + `')`
}

const alive = "10 minutes" // longer than a test takes

// withParam returns the URL with a session parameter.
func withParam(t *testing.T, database, name, value string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// skewed makes the database's clock differ by the interval.
func skewed(t *testing.T, url, by string) string {
	t.Helper()
	exec(t, url, `CREATE SCHEMA skewed`,
		`CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
		 $$ SELECT pg_catalog.clock_timestamp() + interval '`+by+`' $$`)
	return withParam(t, url, "search_path", "skewed,pg_catalog")
}

// TestPlantedFaults makes one fault in each database. Doctor finds it and no other, and
// prints its remedy.
func TestPlantedFaults(t *testing.T) {
	for name, test := range map[string]struct {
		plant  func(t *testing.T, url string) (planted string, flags []string, concerned string)
		want   []string // the checks that must find a fault
		remedy string   // of the first fault
	}{
		"none": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				newTask(t, url)
				exec(t, url, aNode("living", "report", "reports", alive))
				return url, nil, ""
			},
		},
		"unmigrated schema": {
			plant: func(_ *testing.T, url string) (string, []string, string) {
				return url, []string{"--schema", "elsewhere"}, "not migrated"
			},
			want: []string{"schema"}, remedy: "'mcptasks migrate up'",
		},
		"dead node": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				exec(t, url, aNode("died", "report", "reports", "-1 minute"), aNode("living", "report", "reports", alive))
				return url, nil, "node died on host-1: last heartbeat 1m"
			},
			want: []string{"nodes"}, remedy: "'mcptasks work'",
		},
		"job without task": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				exec(t, url, `INSERT INTO mcptasks.river_job (kind, args, queue, priority, max_attempts, state, created_at, scheduled_at)
					VALUES ('mcptask', '{"task_id":"00000000-0000-4000-8000-000000000000"}', 'reports', 1, 10, 'available', now() - interval '1 hour', now() - interval '1 hour')`)
				return url, nil, "of task 00000000-0000-4000-8000-000000000000"
			},
			want: []string{"job-without-task"}, remedy: "DELETE FROM river_job",
		},
		"task without job": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				id := newTask(t, url)
				exec(t, url, `DELETE FROM mcptasks.river_job`, `UPDATE mcptasks.mcp_task SET updated_at = now() - interval '1 hour'`,
					aNode("living", "report", "reports", alive))
				return url, nil, id
			},
			want: []string{"task-without-job"}, remedy: "'mcptasks tasks cancel'",
		},
		"tool without a node": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				newTask(t, url)
				exec(t, url, aNode("living", "other", "reports", alive))
				return url, nil, "no living node has tool report"
			},
			want: []string{"served"}, remedy: "start a node whose program has the tool",
		},
		"queue without a node": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				newTask(t, url)
				exec(t, url, aNode("living", "report", "default", alive))
				return url, nil, "no living node runs queue reports"
			},
			want: []string{"served"}, remedy: "--queue",
		},
		"no node": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				newTask(t, url)
				return url, nil, "no node runs tasks, and 1 tasks"
			},
			want: []string{"nodes", "served"}, remedy: "'mcptasks work'",
		},
		"clock behind": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				return skewed(t, url, "1 minute"), nil, "behind"
			},
			want: []string{"clock"}, remedy: "NTP",
		},
		"clock ahead": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				return skewed(t, url, "-1 minute"), nil, "ahead of"
			},
			want: []string{"clock"}, remedy: "NTP",
		},
		"old backlog": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				newTask(t, url)
				exec(t, url, aNode("living", "report", "reports", alive),
					`UPDATE mcptasks.river_job SET created_at = now() - interval '1 hour', scheduled_at = now() - interval '1 hour'`)
				return url, nil, "1h0m0s for a worker, in queue reports for tool report"
			},
			want: []string{"wait"}, remedy: "start more workers",
		},
		"long backlog": {
			plant: func(t *testing.T, url string) (string, []string, string) {
				newTask(t, url)
				newTask(t, url)
				exec(t, url, aNode("living", "report", "reports", alive))
				return url, []string{"--max-backlog", "1"}, "queue reports: 2 jobs"
			},
			want: []string{"backlog"}, remedy: "--max-workers",
		},
		"no server": {
			plant: func(_ *testing.T, _ string) (string, []string, string) {
				return "postgres://alice:hunter2@127.0.0.1:1/tasks", nil, "refused"
			},
			want: []string{"database"}, remedy: "is Postgres running on 127.0.0.1 port 1",
		},
		"a server that is silent": {
			plant: func(t *testing.T, _ string) (string, []string, string) {
				return "postgres://alice:hunter2@" + silent(t) + "/tasks", []string{"--timeout", "100ms"}, "did not answer within 100ms"
			},
			want: []string{"database"}, remedy: "reachable from here",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planted, flags, concerned := test.plant(t, open(t))
			r, code := examine(t, planted, flags...)
			r.wantFaults(t, test.want, test.remedy, concerned)
			if want := map[bool]int{true: 0, false: 5}[len(test.want) == 0]; code != want || r.Healthy != (want == 0) {
				t.Errorf("exit code %d, healthy %t; want %d", code, r.Healthy, want)
			}
			if printed, _ := json.Marshal(r); bytes.Contains(printed, []byte("hunter2")) {
				t.Errorf("the password is printed: %s", printed)
			}
		})
	}
}

func (r *report) wantFaults(t *testing.T, want []string, remedy, concerned string) {
	t.Helper()
	if !slices.Equal(r.faults(), want) {
		t.Fatalf("doctor finds %v, want %v: %+v", r.faults(), want, r.Checks)
	}
	for _, check := range r.Checks {
		if check.Status != "fault" || check.Check != want[0] {
			continue
		}
		if !strings.Contains(check.Remedy, remedy) {
			t.Errorf("the remedy is %q, want %q", check.Remedy, remedy)
		}
		if said := check.Summary + "\n" + strings.Join(check.Items, "\n"); !strings.Contains(said, concerned) {
			t.Errorf("the finding is %q, want %q", said, concerned)
		}
	}
}
