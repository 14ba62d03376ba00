package mcpserver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// BenchmarkPoll polls a completed task, on the fast path and through the SDK, and calls the
// simplest tool for comparison. The database is a map, and there is no network.
func BenchmarkPoll(b *testing.B) {
	runner := newFakeRunner()
	said := strings.Repeat("High water at dawn. ", 10)
	runner.add(mcptasks.Task{ID: "0198f000-0000-7000-8000-000000000000", Status: mcptasks.StatusCompleted, Outcome: &mcptasks.Outcome{
		Result: fmt.Appendf(nil, `{"content":[{"type":"text","text":%q}]}`, said),
	}})
	server := newServer()
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(_ context.Context, _ *mcp.CallToolRequest, in struct {
		Text string `json:"text"`
	},
	) (*mcp.CallToolResult, any, error) {
		return text(in.Text), nil, nil
	})
	mcpserver.Mount(server, ownedTools(), quietRunner{runner}, nil)
	poll := request{method: "tasks/get", name: "0198f000-0000-7000-8000-000000000000"}
	echo := request{method: "tools/call", name: "echo", arguments: fmt.Sprintf(`{"text":%q}`, said)}
	for _, bench := range []struct {
		name       string
		request    request
		throughSDK bool
	}{{"fast", poll, false}, {"sdk", poll, true}, {"echo", echo, false}} {
		b.Run(bench.name, func(b *testing.B) {
			handler := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, &mcpserver.HandlerOptions{PollsThroughSDK: bench.throughSDK})
			sent := bench.request.http(b.Context(), "http://localhost/")
			body, err := io.ReadAll(sent.Body)
			if err != nil {
				b.Fatal(err)
			}
			do := func() {
				req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(string(body)))
				req.Header = sent.Header
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, req)
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "High water") {
					b.Fatal(w.Code, w.Body)
				}
			}
			do() // the SDK answers the first
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

// quietRunner does not record its calls.
type quietRunner struct{ *fakeRunner }

func (q quietRunner) Get(_ context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	task, err := q.find("get", owner, id)
	return clone(task), err
}
