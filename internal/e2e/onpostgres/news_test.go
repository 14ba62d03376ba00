package onpostgres

import (
	"context"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// TestNews watches a task on one node that another one works. The news comes at
// once, not with the watcher's next look, also after the connection that listens was
// cut.
func TestNews(t *testing.T) {
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

		for name, cut := range map[string]bool{"listening": false, "listening again": true} {
			id := create(t, worker)
			seen, ended := make(chan struct{}, 100), make(chan time.Time, 1)
			go func() {
				for task, err := range server.Watch(t.Context(), "", id) {
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
			if cut {
				eventually(t, url, `SELECT count(*) `+listeners, 1)
				execute(t, url, `SELECT pg_terminate_backend(pid) `+listeners)
			}
			eventually(t, url, `SELECT count(*) `+listeners, 1)
			finished := time.Now()
			goOn <- struct{}{}
			select {
			case at := <-ended:
				if took := at.Sub(finished); took > time.Second {
					t.Errorf("%s: the end was seen after %s", name, took)
				}
			case <-time.After(time.Minute):
				t.Fatal("the end was not seen")
			}
		}
	})
}
