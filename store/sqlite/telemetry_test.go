package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

// counted is a store whose metrics and audit log are looked at.
type counted struct {
	*testing.T
	db     *sqlite.Driver
	store  *taskstore.Store[*sql.Tx]
	reader *metric.ManualReader
	audit  bytes.Buffer
	now    time.Time
	tool   *mcptasks.Tool
}

func newCounted(t *testing.T, options *mcptasks.ToolOptions) *counted {
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := os.WriteFile(path, migratedFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &counted{T: t, db: open(t, path), reader: metric.NewManualReader(), now: time.Now()}
	tools := mcptasks.NewTools()
	mcptasks.AddTool[map[string]any, any](tools, &mcp.Tool{Name: "report"}, nil, options)
	c.tool, _ = tools.Get("report")
	cfg, err := config.Resolve(config.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(c.reader)),
		Audit:         slog.New(slog.NewTextHandler(&c.audit, nil)),
		MaxRecoveries: 1, MinRetention: time.Second,
	})
	c.must(err)
	c.store, err = taskstore.NewWithClock(c.db, cfg, notify.New(cfg.Logger), func() time.Time { return c.now })
	c.must(err)
	return c
}

func (c *counted) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *counted) exec(statement string, args ...any) {
	c.Helper()
	c.must(c.db.InTx(c.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(c.Context(), statement, args...)
		return err
	}))
}

// claimed returns the first run of a new task.
func (c *counted) claimed() *driver.Claimed {
	c.Helper()
	tasks, err := c.store.Create(c.Context(), []taskstore.NewTask{{Owner: "alice", Tool: c.tool}})
	c.must(err)
	return c.claim(tasks[0].ID)
}

func (c *counted) claim(id string) *driver.Claimed {
	c.Helper()
	var job int64
	c.must(c.db.InTx(c.Context(), func(tx *sql.Tx) error {
		return tx.QueryRowContext(c.Context(), "SELECT job_id FROM mcp_task WHERE id = ?", id).Scan(&job)
	}))
	run, err := c.store.Claim(c.Context(), id, job, []string{"report"}, "node")
	c.must(err)
	return run
}

// runsOn makes the run's job River's on the node.
func (c *counted) runsOn(run *driver.Claimed, node string) {
	c.Helper()
	c.exec(`UPDATE river_job SET state = 'running', attempted_by = json_array(?) WHERE id = ?`, node, run.JobID)
}

// want compares the counters of tasks and sweeps.
func (c *counted) want(want map[string]int64) {
	c.Helper()
	var all metricdata.ResourceMetrics
	c.must(c.reader.Collect(c.Context(), &all))
	got := make(map[string]int64)
	for _, m := range all.ScopeMetrics[0].Metrics {
		sum, ok := m.Data.(metricdata.Sum[int64])
		if !ok || m.Name == "mcptasks.task.creates" {
			continue
		}
		for _, p := range sum.DataPoints {
			name := m.Name
			for _, label := range []string{"kind", "outcome"} {
				if value, ok := p.Attributes.Value(attribute.Key(label)); ok {
					name += " " + value.AsString()
				}
			}
			got[name] = p.Value
		}
	}
	if !maps.Equal(got, want) {
		c.Errorf("counted %v, want %v", got, want)
	}
}

// What a node does for tasks that no request meets is counted by what it was.
func TestSweepsAreCounted(t *testing.T) {
	always := func() bool { return true }
	for name, tc := range map[string]struct {
		run  func(c *counted)
		want map[string]int64
	}{
		"reaped": {func(c *counted) {
			run := c.claimed()
			c.runsOn(run, "dead")
			_, err := c.store.Reap(c.Context(), "node", time.Minute, always)
			c.must(err)
		}, map[string]int64{"mcptasks.sweep.tasks reaped": 1, "mcptasks.task.recoveries death": 1}},
		"poison": {func(c *counted) {
			id := c.claimed().TaskID
			for range 2 {
				c.runsOn(c.claim(id), "dead")
				_, err := c.store.Reap(c.Context(), "node", time.Minute, always)
				c.must(err)
			}
		}, map[string]int64{"mcptasks.sweep.tasks reaped": 2, "mcptasks.task.recoveries death": 1, "mcptasks.task.finishes failed": 1}},
		"fetch lost": {func(c *counted) {
			run := c.claimed()
			c.runsOn(run, "node")
			done, err := c.store.RecoverLost(c.Context(), driver.Job{ID: run.JobID, TaskID: run.TaskID, Node: "node"}, "node")
			c.must(err)
			again, err := c.store.RecoverLost(c.Context(), driver.Job{ID: run.JobID, TaskID: run.TaskID, Node: "node"}, "node")
			if !done || again || err != nil {
				c.Errorf("recovered %v, %v, %v", done, again, err)
			}
		}, map[string]int64{"mcptasks.task.recoveries fetch": 1}},
		"overdue": {func(c *counted) {
			c.claimed()
			c.now = c.now.Add(2 * time.Hour)
			c.must(c.store.Sweep(c.Context(), time.Hour))
		}, map[string]int64{"mcptasks.sweep.tasks overdue": 1, "mcptasks.task.finishes failed": 1}},
		"unanswered": {func(c *counted) {
			run := c.claimed()
			_, _, err := c.store.Park(c.Context(), run.Fence, map[string]mcptasks.Question{"q": {Method: mcptasks.MethodElicit, Params: []byte(`{}`)}}, time.Minute)
			c.must(err)
			c.now = c.now.Add(2 * time.Minute)
			c.must(c.store.Sweep(c.Context(), time.Hour))
		}, map[string]int64{"mcptasks.sweep.tasks unanswered": 1}},
		"repaired by a sweep": {func(c *counted) {
			c.claimed()
			c.exec("DELETE FROM river_job")
			c.now = c.now.Add(time.Minute)
			c.must(c.store.Sweep(c.Context(), time.Second))
		}, map[string]int64{"mcptasks.sweep.tasks repaired": 1}},
		"repaired by a poll": {func(c *counted) {
			run := c.claimed()
			c.exec("DELETE FROM river_job")
			c.now = c.now.Add(time.Minute)
			_, err := c.store.Get(c.Context(), "alice", run.TaskID)
			c.must(err)
		}, map[string]int64{"mcptasks.sweep.tasks repaired": 1}},
		"job cancelled": {func(c *counted) {
			c.claimed()
			c.exec("UPDATE river_job SET state = 'cancelled', finalized_at = '2026-01-01 00:00:00.000'")
			c.now = c.now.Add(time.Minute)
			c.must(c.store.Sweep(c.Context(), time.Second))
		}, map[string]int64{"mcptasks.sweep.tasks repaired": 1, "mcptasks.task.cancels job": 1, "mcptasks.task.finishes cancelled": 1}},
		"expired": {func(c *counted) {
			for range 2 {
				run := c.claimed()
				_, err := c.store.Finish(c.Context(), run.Fence, run.Tool, &mcptasks.Outcome{Result: []byte(`{}`)}, driver.Event{})
				c.must(err)
			}
			c.now = c.now.Add(25 * time.Hour)
			c.must(c.store.Sweep(c.Context(), time.Hour))
		}, map[string]int64{"mcptasks.sweep.tasks expired": 2, "mcptasks.task.finishes completed": 2}},
		"a result too long": {func(c *counted) {
			run := c.claimed()
			_, err := c.store.Finish(c.Context(), run.Fence, run.Tool, &mcptasks.Outcome{Result: []byte(`{"a":"` + strings.Repeat("a", 9<<20) + `"}`)}, driver.Event{})
			c.must(err)
		}, map[string]int64{"mcptasks.task.finishes failed": 1}},
		"a late run": {func(c *counted) {
			run := c.claimed()
			c.claim(run.TaskID)
			_, err := c.store.Finish(c.Context(), run.Fence, run.Tool, &mcptasks.Outcome{Result: []byte(`{}`)}, driver.Event{})
			c.must(err)
		}, map[string]int64{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounted(t, &mcptasks.ToolOptions{Deadline: time.Hour})
			tc.run(c)
			c.want(tc.want)
		})
	}
}

// What fails to commit is not counted, nor audited.
func TestWhatRollsBackIsNotCounted(t *testing.T) {
	c := newCounted(t, nil)
	run := c.claimed()
	c.audit.Reset()
	// A task's end is refused after the task has been locked and found to be alive.
	c.exec(`CREATE TRIGGER refuse BEFORE UPDATE ON mcp_task BEGIN SELECT RAISE(ABORT, 'no'); END`)
	if _, err := c.store.Cancel(t.Context(), "alice", run.TaskID); err == nil {
		t.Fatal("the cancel succeeded")
	}
	c.want(map[string]int64{})
	if c.audit.Len() > 0 {
		t.Errorf("audited: %s", &c.audit)
	}
}

// What is done in the program's own transaction is audited as such.
func TestAuditOfTx(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := os.WriteFile(path, migratedFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	tools := mcptasks.NewTools()
	mcptasks.AddTool[map[string]any, any](tools, &mcp.Tool{Name: "report"}, nil, nil)
	var audit bytes.Buffer
	tasks, err := runner.New(t.Context(), db, tools, &runner.Config{Audit: slog.New(slog.NewTextHandler(&audit, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tasks.Close(); err != nil {
			t.Error(err)
		}
	}()
	var id string
	err = db.InTx(t.Context(), func(tx *sql.Tx) error {
		task, err := tasks.CreateTx(t.Context(), tx, "alice", mcptasks.CreateParams{Tool: "report"})
		if err != nil {
			return err
		}
		id = task.ID
		if err := tasks.AnswerTx(t.Context(), tx, "alice", id, nil); err != nil { // answers nothing
			return err
		}
		return tasks.CancelTx(t.Context(), tx, "alice", id)
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(audit.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), `msg="mcptasks: audit" `)
		got = append(got, line)
	}
	want := []string{
		fmt.Sprintf("action=create owner=alice task_id=%s tool=report tx=true", id),
		fmt.Sprintf("action=cancel owner=alice task_id=%s tool=report tx=true", id),
	}
	if !slices.Equal(got, want) {
		t.Errorf("audited %q, want %q", got, want)
	}
}
