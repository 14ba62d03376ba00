package poll_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/fastpath/poll"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// A program may make a server for each request. The fast path does not keep them alive.
func TestServersAreForgotten(t *testing.T) {
	runtime.GC()
	before, made := poll.Registered(), 0
	handler := mcpserver.NewHandler(func(*http.Request) *mcp.Server {
		made++
		server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
		mcpserver.Mount(server, mcptasks.NewTools(), noTasks{}, nil)
		return server
	}, nil)
	for range 100 {
		body := `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
			`"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}`
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		req.Header = http.Header{
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tasks/get"}, "Mcp-Name": {"x"},
			"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		if !strings.Contains(recorder.Body.String(), "task not found") {
			t.Fatal(recorder.Body)
		}
	}
	if made != 100 {
		t.Errorf("%d servers were made for 100 polls", made)
	}
	for deadline := time.Now().Add(20 * time.Second); poll.Registered() > before; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d servers are registered, want %d", poll.Registered(), before)
		}
	}
}

// noTasks is a Runner that has no tasks.
type noTasks struct{ mcptasks.Runner }

func (noTasks) Get(context.Context, mcptasks.Owner, string) (*mcptasks.Task, error) {
	return nil, mcptasks.ErrNotFound
}
