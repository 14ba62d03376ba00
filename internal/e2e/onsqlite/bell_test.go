package onsqlite

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// A node runs what it has made itself without having been told by the file, where River
// looks for news from time to time.
func TestOwnBell(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ran := make(chan string, 1)
		url := open(t)
		node, err := runner.Open(ctx, url, tools(func(_ context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			ran <- run.TaskID()
			return &mcp.CallToolResult{}, nil, nil
		}), &runner.Config{FetchPollInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		mute(t, url)
		if err := node.Start(ctx); err != nil {
			t.Fatal(err)
		}
		for n := range 20 { // the first may be found by the fetch that a start makes
			task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "tool"})
			if err != nil {
				t.Fatal(err)
			}
			select {
			case id := <-ran:
				if id != task.ID {
					t.Fatalf("%s was run, not %s", id, task.ID)
				}
			case <-ctx.Done():
				t.Fatalf("task %d was not run", n+1)
			}
		}
	})
}

// mute has the file at url keep no notification.
func mute(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TRIGGER mute BEFORE INSERT ON river_notification BEGIN SELECT RAISE(IGNORE); END`); err != nil {
		t.Fatal(err)
	}
}
