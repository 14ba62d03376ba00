package onpostgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// TestBounded runs 20,000 tasks that are kept for a second, 64 at a time: neither our
// tables nor River's hold them all, and in the end they are empty. River cleans every
// half minute.
func TestBounded(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		const tasks, callers = 20_000, 64
		url := open(t)
		step := func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			_, err := mcptasks.Step(ctx, run, "only", func(context.Context) (int, error) { return 1, nil })
			return nil, nil, err
		}
		node := node(t, url, step, &mcptasks.ToolOptions{TTL: time.Second}, runner.Config{
			MinRetention: time.Second, SweepInterval: 200 * time.Millisecond, JobRetention: time.Second,
		})
		pool, err := pgxpool.New(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)

		most := 0
		var load errgroup.Group
		for range callers {
			load.Go(func() error {
				for range tasks / callers {
					task, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "tool"})
					if err != nil {
						return err
					}
					for task, err = range node.Watch(t.Context(), "", task.ID) {
						if err != nil {
							return err
						}
					}
					if task.Status != mcptasks.StatusCompleted {
						return fmt.Errorf("a task is %s: %+v", task.Status, task.Outcome)
					}
				}
				return nil
			})
		}
		loaded := make(chan error, 1)
		go func() { loaded <- load.Wait() }()
		for done := false; !done; {
			select {
			case err := <-loaded:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			case <-time.After(100 * time.Millisecond): // between two looks
				most = max(most, count(t, pool, `SELECT count(*) FROM mcptasks.mcp_task`))
			}
		}
		t.Logf("at most %d of %d tasks were kept at a time", most, tasks)
		if most > tasks/2 {
			t.Errorf("that is more than half of them")
		}

		deadline := time.Now().Add(2 * time.Minute)
		for _, table := range []string{"mcp_task", "mcp_task_step", "mcp_task_event", "mcp_task_input", "river_job"} {
			for {
				n := count(t, pool, `SELECT count(*) FROM mcptasks.`+table)
				if n == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s still has %d rows", table, n)
				}
				<-time.After(100 * time.Millisecond) // between two looks
			}
		}
	})
}
