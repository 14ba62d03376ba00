package onsqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	_ "modernc.org/sqlite"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

func tools(handler mcptasks.Handler[struct{}, any]) *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, handler, nil)
	return tools
}

func TestOpenRefuses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		text := filepath.Join(dir, "text.db")
		if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct{ url, want string }{
			"no directory":   {"sqlite:" + filepath.Join(dir, "none", "tasks.db"), "none"},
			"not a database": {"sqlite:" + text, "not a database"},
			"no path":        {"sqlite:", "path"},
			"no import":      {"postgres://user:hunter2@host/tasks", `import _ "github.com/mcptasks/mcptasks/store/postgres"`},
		} {
			node, err := runner.Open(t.Context(), test.url, tools(nil), nil)
			if err == nil {
				node.Close()
			}
			var ours *mcptasks.Error
			if !errors.As(err, &ours) || ours.Hint == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v; want %q and a hint", name, err, test.want)
			}
		}
	})
}

func TestNewerSchema(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tasks.db")
		node, err := runner.Open(t.Context(), "sqlite:"+path, tools(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO mcp_migration (version_id, is_applied) VALUES (9999, 1)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = runner.Open(t.Context(), "sqlite:"+path, tools(nil), nil)
		if !errors.Is(err, migrations.ErrNewSchema) || !strings.Contains(err.Error(), "at least as new") {
			t.Errorf("a newer schema: %v", err)
		}
	})
}

// One process works a file; others may read and cancel there meanwhile.
func TestFileBeingWorked(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		ctx := t.Context()
		began, cause := make(chan struct{}), make(chan error, 1)
		handler := func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			close(began)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return nil, nil, ctx.Err()
		}
		url := open(t)
		nodes := [2]*runner.Node{}
		for i := range nodes {
			node, err := runner.Open(ctx, url, tools(handler), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { node.Close() })
			nodes[i] = node
		}
		if err := nodes[0].Start(ctx); err != nil {
			t.Fatal(err)
		}
		err := nodes[1].Start(ctx)
		if err == nil || !strings.Contains(err.Error(), "already being worked") {
			t.Errorf("a second worker: %v", err)
		}
		task, err := nodes[1].Create(ctx, "", mcptasks.CreateParams{Tool: "tool"})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		if _, err := nodes[1].Cancel(ctx, "", task.ID); err != nil {
			t.Error(err)
		}
		if got, err := nodes[0].Get(ctx, "", task.ID); err != nil || got.Status != mcptasks.StatusCancelled {
			t.Errorf("cancelled by the other: %+v %v", got, err)
		}
		if err := <-cause; !errors.Is(err, mcptasks.ErrCancelled) { // nobody tells the run: it finds out
			t.Errorf("cause = %v", err)
		}
	})
}

func TestCallersTransaction(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		ctx := t.Context()
		driver, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "tasks.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { driver.Close() })
		tasks, err := runner.New(ctx, driver, tools(nil), &runner.Config{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		rollback := errors.New("rollback")
		create := func(end error) (id string) {
			err := driver.InTx(ctx, func(tx *sql.Tx) error {
				task, err := tasks.CreateTx(ctx, tx, "me", mcptasks.CreateParams{Tool: "tool"})
				if err != nil {
					t.Fatal(err)
				}
				id = task.ID
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			return id
		}
		if _, err := tasks.Get(ctx, "me", create(rollback)); !errors.Is(err, mcptasks.ErrNotFound) {
			t.Errorf("a task whose transaction was rolled back: %v", err)
		}
		id := create(nil)
		for _, end := range []error{rollback, nil} {
			err := driver.InTx(ctx, func(tx *sql.Tx) error {
				if err := tasks.CancelTx(ctx, tx, "me", id); err != nil {
					t.Fatal(err)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			task, err := tasks.Get(ctx, "me", id)
			if err != nil || (task.Status == mcptasks.StatusCancelled) != (end == nil) {
				t.Errorf("after a cancel that ended %v: %+v %v", end, task, err)
			}
		}
	})
}
