package mcpserver

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
)

// Servers that a program makes for each request are not kept for having been polled.
func TestServersAreForgotten(t *testing.T) {
	remembered := func() (n int) {
		mounts.Range(func(any, any) bool { n++; return true })
		return n
	}
	runtime.GC()
	before, made := remembered(), 0
	handler := NewHandler(func(*http.Request) *mcp.Server {
		made++
		server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
		Mount(server, mcptasks.NewTools(), nobodys{}, nil)
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
	for deadline := time.Now().Add(20 * time.Second); remembered() > before; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d servers are remembered, and were %d", remembered(), before)
		}
	}
}

// nobodys has no tasks.
type nobodys struct{ mcptasks.Runner }

func (nobodys) Get(context.Context, mcptasks.Owner, string) (*mcptasks.Task, error) {
	return nil, mcptasks.ErrNotFound
}
