package onsqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// A node runs what was created and answered on it without having been told by the file,
// where River looks for news from time to time.
func TestOwnBell(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		url := open(t)
		node, err := runner.Open(ctx, url, tools(func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			_, err := run.Elicit(ctx, "sure", &mcp.ElicitParams{Message: "Sure?", RequestedSchema: map[string]any{"type": "object"}})
			return &mcp.CallToolResult{}, nil, err
		}), &runner.Config{FetchPollInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		mute(t, url)
		if err := node.Start(ctx); err != nil {
			t.Fatal(err)
		}
		for n := range 10 { // the first may be found by the fetch that a start makes
			task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "tool"})
			if err != nil {
				t.Fatal(err)
			}
			for task, err := range node.Watch(ctx, "", task.ID) {
				if err == nil && task.Status == mcptasks.StatusInputRequired {
					err = node.Answer(ctx, "", task.ID, map[string]json.RawMessage{"sure": json.RawMessage(`{"action":"decline"}`)})
				}
				if err != nil {
					t.Fatalf("task %d: %v", n+1, err)
				}
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
