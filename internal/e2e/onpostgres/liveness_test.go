package onpostgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

type handler = mcptasks.Handler[struct{}, any]

// node opens a node whose one tool has the handler, and starts it if it has one.
func node(t testing.TB, url string, handle handler, opts *mcptasks.ToolOptions, config runner.Config) *runner.Node {
	t.Helper()
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, handle, opts)
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	node, err := runner.Open(t.Context(), url, tools, &config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if handle != nil {
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return node
}

func create(t testing.TB, node *runner.Node) string {
	t.Helper()
	task, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "tool"})
	if err != nil {
		t.Fatal(err)
	}
	return task.ID
}

// end waits until the task has ended.
func end(t testing.TB, node *runner.Node, id string) *mcptasks.Task {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last *mcptasks.Task
	for task, err := range node.Watch(ctx, "", id) {
		if err != nil {
			t.Errorf("task %s: %v", id, err)
			return last
		}
		last = task
	}
	return last
}

const envWork = "MCPTASKS_E2E_WORK" // set in a child: the database it works until it is killed

// A child's handler says that it runs, and waits to be killed.
func workUntilKilled(url string) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		fmt.Println("running")
		select {}
	}, nil)
	node, err := runner.Open(context.Background(), url, tools, &runner.Config{HeartbeatInterval: beat(), MaxWorkers: 100, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = node.Start(context.Background())
	}
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

// beat is the beat of the test, MCPTASKS_E2E_BEAT to try another.
func beat() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("MCPTASKS_E2E_BEAT")); err == nil {
		return d
	}
	return time.Second
}

// TestSIGKILL kills one of two nodes with a hundred running tasks each. All end, on
// the other.
func TestSIGKILL(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		child := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
		child.Env = append(os.Environ(), envWork+"="+url)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		waitFor(t, lines, "started", 1)

		server := node(t, url, nil, nil, runner.Config{})
		ids := make([]string, 200)
		for i := range ids {
			ids[i] = create(t, server)
		}
		waitFor(t, lines, "running", 100)
		go io.Copy(io.Discard, out) //nolint:errcheck // ends with the child

		running, goOn := make(chan struct{}, len(ids)), make(chan struct{})
		var attempts atomic.Int32
		survivor := node(t, url, func(_ context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			attempts.Store(max(attempts.Load(), int32(run.Attempt()))) //nolint:gosec // small
			running <- struct{}{}
			<-goOn
			return nil, nil, nil
		}, nil, runner.Config{HeartbeatInterval: beat(), MaxWorkers: 200})
		for range 100 {
			<-running
		}

		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		killed := time.Now()
		_ = child.Wait() // it was killed
		close(goOn)
		var ends errgroup.Group
		for _, id := range ids {
			ends.Go(func() error {
				if task := end(t, survivor, id); task == nil || task.Status != mcptasks.StatusCompleted {
					return fmt.Errorf("a task ended as %+v", task)
				}
				return nil
			})
		}
		if err := ends.Wait(); err != nil {
			t.Error(err)
		}
		took := time.Since(killed)
		t.Logf("the last of 200 tasks ended %s after the kill, at a beat of %s", took.Round(time.Millisecond), beat())
		// On a quiet machine it is 4 beats and less than 2 seconds; a node that is
		// short of time itself waits another lease before it holds others for dead.
		if limit := 2 * (2*time.Second + 4*beat()); took > limit {
			t.Errorf("that is more than %s", limit)
		}
		if attempts.Load() != 1 {
			t.Errorf("a death used up an attempt")
		}
	})
}

func waitFor(t *testing.T, lines *bufio.Scanner, line string, times int) {
	t.Helper()
	for times > 0 && lines.Scan() {
		if lines.Text() == line {
			times--
		} else if strings.HasPrefix(lines.Text(), "failed") {
			t.Fatal(lines.Text())
		}
	}
	if times > 0 {
		t.Fatalf("the process ended with %d lines %q to come", times, line)
	}
}

// TestNotificationLost changes a task behind River's back: its run finds out.
func TestNotificationLost(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		began, causes := make(chan struct{}, 1), make(chan error, 1)
		node := node(t, url, func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			began <- struct{}{}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil, nil, ctx.Err()
		}, nil, runner.Config{SweepInterval: 50 * time.Millisecond})
		for change, want := range map[string]error{
			`status = 'cancelled', job_id = NULL, finished_at = now(), expires_at = now() + interval '1 hour'`: mcptasks.ErrCancelled,
			`run_token = 'somebody else''s'`: mcptasks.ErrSuperseded,
		} {
			id := create(t, node)
			<-began
			execute(t, url, `UPDATE mcptasks.mcp_task SET `+change+` WHERE id = '`+id+`'`)
			if cause := <-causes; !errors.Is(cause, want) {
				t.Errorf("cause = %v, want %v", cause, want)
			}
			if want == mcptasks.ErrSuperseded { //nolint:errorlint // the table's own value
				<-began // the job is the task's still, so it runs again
				if _, err := node.Cancel(t.Context(), "", id); err != nil {
					t.Fatal(err)
				}
				if cause := <-causes; !errors.Is(cause, mcptasks.ErrCancelled) {
					t.Errorf("cause of the second run = %v", cause)
				}
			}
		}
	})
}

// TestFetchLost makes a job running under a node that was never handed it, as when
// the reply to its fetch is lost.
func TestFetchLost(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		var runs atomic.Int32
		count := func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, map[string]any{"run": runs.Add(1)}, nil
		}
		node := node(t, url, count, nil, runner.Config{HeartbeatInterval: 100 * time.Millisecond})
		if err := node.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := create(t, node)
		execute(t, url, `UPDATE mcptasks.river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = ARRAY['`+node.ID()+`']`)
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if task := end(t, node, id); task == nil || task.Status != mcptasks.StatusCompleted || runs.Load() != 1 {
			t.Errorf("ended %+v after %d runs", task, runs.Load())
		}
	})
}

// TestRollingRestart restarts three nodes one after the other under load, with a
// grace too short for their runs: nothing is lost, nothing fails, no attempt is used.
func TestRollingRestart(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		var cut atomic.Int32
		work := func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			select {
			case <-time.After(50 * time.Millisecond): // the work
			case <-ctx.Done():
				if !errors.Is(context.Cause(ctx), mcptasks.ErrShutdown) {
					t.Errorf("a run ended with %v", context.Cause(ctx))
				}
				cut.Add(1)
				return nil, nil, ctx.Err()
			}
			return nil, map[string]any{"attempt": run.Attempt()}, nil
		}
		var nodes [3]*runner.Node
		for i := range nodes {
			nodes[i] = node(t, url, work, nil, runner.Config{Grace: time.Millisecond, MaxWorkers: 10})
		}
		server := node(t, url, nil, nil, runner.Config{})

		stop := make(chan struct{})
		var load errgroup.Group
		var ids []string
		var made atomic.Int32
		load.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
					ids = append(ids, create(t, server))
					made.Add(1)
				}
			}
		})
		for made.Load() < 300 {
			for _, node := range nodes {
				if err := node.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := node.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		close(stop)
		_ = load.Wait()
		for _, id := range ids {
			task := end(t, server, id)
			if task == nil || task.Status != mcptasks.StatusCompleted || task.Outcome.IsError ||
				!strings.Contains(string(task.Outcome.Result), `"attempt":1`) {
				t.Fatalf("a task ended %+v", task)
			}
		}
		t.Logf("%d tasks, %d runs cut short", len(ids), cut.Load())
		if cut.Load() == 0 {
			t.Error("no run was cut short: the test shows nothing")
		}
	})
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if tag, err := pool.Exec(t.Context(), statement); err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%s: %v %v", statement, tag, err)
	}
}

// eventually waits until the query counts n.
func eventually(t *testing.T, url, query string, n int) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for deadline := time.Now().Add(time.Minute); count(t, pool, query) != n; {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not %d", query, n)
		}
		<-time.After(20 * time.Millisecond) // between two looks
	}
}
