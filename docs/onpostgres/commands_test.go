// Package onpostgres runs the commands and the SQL of the documents.
package onpostgres

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/docs/blocks"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

const root = "../.."

// TestCommands runs the documents' commands in their order, on a database that has a
// task for each name that they use.
func TestCommands(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := testdb.Postgres(t, migrate)
		bin := t.TempDir()
		build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/mcptasks")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		env := append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "DATABASE_URL="+url)
		for name, id := range tasks(t, url) {
			env = append(env, name+"="+id)
		}
		found := false
		for _, b := range blocks.All(t, root) {
			if b.Language != "sh" {
				continue
			}
			for line := range strings.Lines(b.Text) {
				found = true
				command := exec.CommandContext(t.Context(), "bash", "-uc", line)
				command.Env, command.Dir = env, bin
				out, err := command.CombinedOutput()
				if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 5 && strings.Contains(line, "doctor") {
					err = nil // it has found something
				}
				if err != nil {
					t.Errorf("%s:%d: %s%v\n%s", b.File, b.Line, line, err, out)
				}
			}
		}
		if !found {
			t.Error("the documents have no commands")
		}
	})
}

// tasks makes a task that has ended, one that asks, and one that waits.
func tasks(t *testing.T, url string) map[string]string {
	t.Helper()
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("no paper")
	}, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "refund"}, func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		_, err := run.Elicit(ctx, "approve", &mcp.ElicitParams{
			Message:         "Refund it?",
			RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{"approved": map[string]any{"type": "boolean"}}},
		})
		return nil, nil, err
	}, nil)
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "waiting"}, nil, &mcptasks.ToolOptions{Queue: "nobodys"})
	node, err := runner.Open(t.Context(), url, tools, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = node.Close() }()
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]string)
	for name, tool := range map[string]string{"TASK": "report", "PARKED": "refund", "WAITING": "waiting"} {
		task, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: tool})
		if err != nil {
			t.Fatal(err)
		}
		for now, err := range node.Watch(t.Context(), "", task.ID) {
			if err != nil {
				t.Fatal(err)
			}
			if now.Status != mcptasks.StatusWorking || tool == "waiting" {
				break
			}
		}
		ids[name] = task.ID
	}
	return ids
}

// TestSQL runs the documents' queries.
func TestSQL(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), testdb.Postgres(t, migrate))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		found := false
		for _, b := range blocks.All(t, root) {
			if b.Language != "sql" {
				continue
			}
			for statement := range strings.SplitSeq(strings.TrimSpace(b.Text), ";\n") {
				found = true
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Errorf("%s:%d: %s\n%v", b.File, b.Line, statement, err)
				}
			}
		}
		if !found {
			t.Error("the documents have no SQL")
		}
	})
}

func migrate(ctx context.Context, url string) error {
	driver, err := postgres.Open(ctx, url, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	return migrations.Up(ctx, driver)
}
