package onpostgres

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// TestNotifications watches a task on one node, and as an operator, that another node works.
// The notification comes at once, not with the watcher's next look, also after the connection
// that listens was cut.
func TestNotifications(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		goOn := make(chan struct{})
		worker := node(t, url, func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return nil, nil, ctx.Err()
		}, nil, runner.Config{})
		server := node(t, url, nil, nil, runner.Config{})
		operator, err := runner.OpenOperator(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { operator.Close() })
		asClient := func(id string) iter.Seq2[*mcptasks.Task, error] { return server.Watch(t.Context(), "", id) }
		asOperator := func(id string) iter.Seq2[*mcptasks.Task, error] { return operator.Watch(t.Context(), id) }

		for _, test := range []struct {
			name  string
			watch func(id string) iter.Seq2[*mcptasks.Task, error]
			cut   bool
			heard int // by so many
		}{
			{"listening", asClient, false, 1},
			{"listening again", asClient, true, 1},
			{"an operator", asOperator, false, 2},
		} {
			id := create(t, worker)
			seen, ended := make(chan struct{}, 100), make(chan time.Time, 1)
			go func() {
				for task, err := range test.watch(id) {
					if err != nil {
						t.Error(err)
						return
					}
					seen <- struct{}{}
					if task.Status.Terminal() {
						ended <- time.Now()
					}
				}
			}()
			<-seen
			const listeners = `FROM pg_stat_activity WHERE query LIKE 'LISTEN "mcptasks_%' AND datname = current_database()`
			if test.cut {
				eventually(t, url, `SELECT count(*) `+listeners, test.heard)
				execute(t, url, `SELECT pg_terminate_backend(pid, 10000) `+listeners)
			}
			eventually(t, url, `SELECT count(*) `+listeners, test.heard)
			finished := time.Now()
			goOn <- struct{}{}
			select {
			case at := <-ended:
				if took := at.Sub(finished); took > time.Second {
					t.Errorf("%s: the end was seen after %s", test.name, took)
				}
			case <-time.After(time.Minute):
				t.Fatal("the end was not seen")
			}
		}
	})
}
