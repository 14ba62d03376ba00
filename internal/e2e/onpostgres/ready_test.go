package onpostgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// TestReady leads a node through its life: opened, started, without a beat, beating
// again, stopped, started again, closed.
func TestReady(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		pool := poolOf(t, url)
		node := node(t, url, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		}, nil, runner.Config{HeartbeatInterval: 50 * time.Millisecond})
		until := func(when, want string) {
			t.Helper()
			for deadline := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) { // between two probes
				err := node.Ready(t.Context())
				if want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: %v, want %q", when, err, want)
				}
			}
		}
		until("started", "")
		if _, err := pool.Exec(t.Context(), `ALTER TABLE mcptasks.mcp_node RENAME TO away`); err != nil {
			t.Fatal(err)
		}
		until("it cannot send heartbeats", "no heartbeat")
		if _, err := pool.Exec(t.Context(), `ALTER TABLE mcptasks.away RENAME TO mcp_node`); err != nil {
			t.Fatal(err)
		}
		until("it beats again", "")
		if err := node.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		until("stopped", "is stopping")
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		until("started again", "")
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
		until("closed", "is closed")
	})
}
