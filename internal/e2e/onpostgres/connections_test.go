package onpostgres

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/runner"
)

// with returns the URL with more parameters.
func with(t testing.TB, database string, more ...string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	for _, parameter := range more {
		name, value, _ := strings.Cut(parameter, "=")
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// TestHeldRow locks a task's row for longer than anybody waits for a lock. The node
// goes on with other tasks, whoever wants to change the held one is told that it is
// busy, and it ends when its row is free.
func TestHeldRow(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		url := open(t)
		goOn, began := make(chan struct{}), make(chan struct{}, 1)
		tell := func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			select {
			case began <- struct{}{}: // the first
				<-goOn
			default:
			}
			_, err := mcptasks.Step(ctx, run, "step", func(context.Context) (int, error) { return 1, nil })
			return nil, nil, err
		}
		node := node(t, with(t, url, "lock_timeout=100ms"), tell, nil, runner.Config{MaxWorkers: 4})
		held := create(t, node)
		for deadline := time.Now().Add(time.Minute); len(began) == 0; <-time.After(time.Millisecond) { // until it runs
			if time.Now().After(deadline) {
				t.Fatal("the task was not run")
			}
		}

		tx, err := poolOf(t, url).Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // no effect after Commit
		if _, err := tx.Exec(ctx, `SELECT FROM mcptasks.mcp_task WHERE id = $1 FOR UPDATE`, held); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		for range 3 {
			if _, err := node.Cancel(ctx, "", held); !errors.Is(err, driver.ErrBusy) || !strings.Contains(err.Error(), "lock timeout") {
				t.Errorf("a cancel of the held task: %v", err)
			}
		}
		var others errgroup.Group
		for range 20 {
			id := create(t, node)
			others.Go(func() error {
				if task := end(t, node, id); task == nil || task.Status != mcptasks.StatusCompleted {
					t.Errorf("another task ended %+v", task)
				}
				return nil
			})
		}
		_ = others.Wait()
		if task, err := node.Get(ctx, "", held); err != nil || task.Status != mcptasks.StatusWorking {
			t.Errorf("the held task is %+v %v", task, err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if task := end(t, node, held); task == nil || task.Status != mcptasks.StatusCompleted || task.Outcome.IsError {
			t.Errorf("the held task ended %+v", task)
		}
	})
}

// TestConnections counts what a node that has had much to do holds at rest, by the
// name of its sessions.
func TestConnections(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		for name, test := range map[string]struct {
			pollOnly bool
			most     int
		}{
			"listening": {false, 4 + 3},
			"poll only": {true, 4 + 1},
		} {
			t.Run(name, func(t *testing.T) {
				url := open(t)
				pool := poolOf(t, url)
				node := node(t, with(t, url, "pool_max_conns=4"), func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
					return nil, nil, nil
				}, nil, runner.Config{PollOnly: test.pollOnly})
				const sessions = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mcptasks'`
				var load errgroup.Group
				for range 10 {
					load.Go(func() error {
						for range 20 {
							end(t, node, create(t, node))
						}
						return nil
					})
				}
				_ = load.Wait()
				if n := count(t, pool, sessions+` AND query LIKE 'LISTEN %'`); (n == 0) != test.pollOnly {
					t.Errorf("%d sessions listen", n)
				}
				if n := count(t, pool, sessions+` AND query LIKE '%mcp_node%beat_at%'`); n < 1 {
					t.Errorf("no session of its own beats")
				}
				if n := count(t, pool, sessions); n > test.most {
					t.Errorf("the node holds %d connections, want at most %d", n, test.most)
				}
				if n := count(t, pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND application_name NOT IN ('mcptasks', '') AND pid <> pg_backend_pid()`); n != 0 {
					t.Errorf("%d sessions are not called mcptasks", n)
				}
			})
		}
	})
}
