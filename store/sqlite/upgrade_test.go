package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

// River's migration 8 builds the table of jobs anew. A file of an older release keeps its
// tasks and their jobs: the tasks are run. A job's id is not used again.
func TestUpgradeFromOlderRiver(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "tasks.db")
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "echo"}, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, nil
	}, nil)
	open := func(config *runner.Config) (*runner.Node, error) {
		return runner.Open(ctx, "sqlite:"+path, tools, config)
	}
	create := func(node *runner.Node) string {
		t.Helper()
		task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "echo"})
		if err != nil {
			t.Fatal(err)
		}
		return task.ID
	}

	node, err := open(nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{create(node), create(node), create(node)}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	before := toOlderRiver(t, path, 7)

	if node, err = open(nil); err != nil { // Open migrates a file
		t.Fatal(err)
	}
	defer node.Close()
	if after := jobs(t, path); len(before) != 3 || len(after) != 3 || after[0] != before[0] || after[2] != before[2] {
		t.Errorf("the jobs are %v, and were %v", after, before)
	}
	ids = append(ids, create(node))
	if after := jobs(t, path); after[3] <= before[2] {
		t.Errorf("the jobs are %v: an id is used again", after)
	}
	if err := node.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		for task, err := range node.Watch(ctx, "", id) {
			if err != nil {
				t.Fatal(err)
			}
			if task.Status.Terminal() && task.Status != mcptasks.StatusCompleted {
				t.Errorf("task %s is %s", id, task.Status)
			}
		}
	}
}

// toOlderRiver brings the file to the schema of an older River, and returns its jobs.
func toOlderRiver(t *testing.T, path string, version int) []int64 {
	t.Helper()
	driver, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	handle, err := driver.Migrating(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = handle.Close() })
	if _, err := handle.River.Migrate(t.Context(), rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: version}); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Check(t.Context(), driver); !errors.Is(err, migrations.ErrOldSchema) {
		t.Fatalf("the older schema: %v, want ErrOldSchema", err)
	}
	return jobs(t, path)
}

// jobs returns the ids of the file's jobs that can be worked.
func jobs(t *testing.T, path string) (ids []int64) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM river_job WHERE state = 'available' ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}
