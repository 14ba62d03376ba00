package onpostgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/e2e"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// simple makes pgx put the parameters into the statements.
const simple = "default_query_exec_mode=simple_protocol"

// TestPollOnly runs the suite without LISTEN and with the simple protocol.
func TestPollOnly(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		e2e.Run(t, func(t *testing.T) e2e.Database {
			return e2e.Database{URL: with(t, open(t), simple), PollOnly: true}
		})
	})
}

// TestPgBouncer runs the suite through a PgBouncer in transaction mode.
func TestPgBouncer(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		through := testdb.PgBouncer(t, open(t))
		pooled := func(t *testing.T) e2e.Database { return e2e.Database{URL: through(open(t)), PollOnly: true} }
		e2e.Run(t, pooled)
	})
}

// TestPgBouncerRefused says what to do where a pool's sessions, or a migration, would
// not be what they are held for.
func TestPgBouncerRefused(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		direct := open(t)
		url := testdb.PgBouncer(t, direct)(direct)
		if _, err := runner.Open(ctx, url, tools(), nil); err == nil || !strings.Contains(err.Error(), "PollOnly") {
			t.Errorf("without PollOnly: %v", err)
		}
		_, err := runner.Open(ctx, url, tools(), &runner.Config{PollOnly: true, Schema: "other", Migrate: true})
		if err == nil || !strings.Contains(err.Error(), "the server itself") {
			t.Errorf("migrating through PgBouncer: %v", err)
		}
		if _, err := runner.Open(ctx, url, tools(), &runner.Config{PollOnly: true, Schema: "other"}); !errors.Is(err, migrations.ErrOldSchema) {
			t.Errorf("no schema, through PgBouncer: %v", err)
		}
		driver, err := postgres.OpenWith(ctx, direct, &postgres.Options{PollOnly: true, Schema: "other"})
		if err != nil {
			t.Fatal(err)
		}
		defer driver.Close()
		if err := migrations.Up(ctx, driver); err != nil {
			t.Errorf("migrating without PgBouncer: %v", err)
		}
	})
}

// A cancel reaches a run on another node in seconds, and its end a watcher on another
// node in about one, though nobody listens.
func TestPollOnlyIsPrompt(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		began, causes := make(chan string, 1), make(chan error, 1)
		node(t, url, func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			began <- run.TaskID()
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil, nil, ctx.Err()
		}, nil, runner.Config{PollOnly: true})
		one := node(t, url, nil, nil, runner.Config{PollOnly: true})
		other := node(t, url, nil, nil, runner.Config{PollOnly: true})

		id := create(t, one)
		created := time.Now()
		<-began
		if waited := time.Since(created); waited > 5*time.Second {
			t.Errorf("the task waited for %s", waited)
		}
		seen := make(chan time.Time, 1)
		go func() {
			end(t, other, id)
			seen <- time.Now()
		}()
		cancelled := time.Now()
		if _, err := one.Cancel(t.Context(), "", id); err != nil {
			t.Fatal(err)
		}
		select {
		case cause := <-causes:
			if took := time.Since(cancelled); !errors.Is(cause, mcptasks.ErrCancelled) || took > 5*time.Second {
				t.Errorf("the run ended after %s with %v", took, cause)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the run was not told of its end")
		}
		if took := (<-seen).Sub(cancelled); took > 5*time.Second {
			t.Errorf("the watcher saw the end after %s", took)
		}
	})
}
