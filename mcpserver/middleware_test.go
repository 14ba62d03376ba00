package mcpserver_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// A program's own middleware, added before Mount, still sees every call.
func TestOwnMiddlewareSeesCalls(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	runner, tools := newFakeRunner(), ownedTools()
	runner.work = worker(t, tools)
	runner.add(mcptasks.Task{ID: "task", Status: mcptasks.StatusWorking})
	mcpServer := newServer()
	mcpServer.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			mu.Lock()
			seen = append(seen, method)
			mu.Unlock()
			return next(ctx, method, req)
		}
	})
	mcpserver.Mount(mcpServer, tools, runner, nil)
	server := serve(t, endpoint(mcpServer))

	for _, r := range []request{
		{method: "tools/call", name: "add", arguments: `{"a":1}`},
		{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: undeclared},
		{method: "tools/call", name: "forbidden"},
		{method: "tasks/get", name: "task"},
		{method: "tasks/cancel", name: "task"},
		{method: "tasks/get", name: "task", meta: undeclared}, // rejected before the middleware
	} {
		post(t, server, r)
	}
	want := []string{"tools/call", "tools/call", "tools/call", "tasks/get", "tasks/cancel"}
	if !slices.Equal(seen, want) {
		t.Errorf("it saw %q, want %q", seen, want)
	}
}

// Middleware that changes a call's arguments changes those of the task.
func TestOwnMiddlewareChangesCalls(t *testing.T) {
	runner := newFakeRunner()
	mcpServer := newServer()
	mcpServer.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if params, ok := req.GetParams().(*mcp.CallToolParamsRaw); ok {
				params.Arguments = []byte(`{"a":2}`)
			}
			return next(ctx, method, req)
		}
	})
	mcpserver.Mount(mcpServer, ownedTools(), runner, nil)
	post(t, serve(t, endpoint(mcpServer)), request{method: "tools/call", name: "add", arguments: `{"a":1}`})
	wantCalls(t, runner, `Create "" add {"a":2}`)
}

// readsVersion is middleware that calls ProtocolVersion. For a request of a custom method
// without params the SDK passes typed nil params, on which ProtocolVersion panics and ends
// the process. A test cannot recover that panic, which is on a goroutine of the SDK's, so
// that sawNil is called instead.
func readsVersion(sawNil func(method string)) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (result mcp.Result, err error) {
			if versioned, ok := req.(interface{ ProtocolVersion() string }); ok {
				defer func() {
					if recover() != nil {
						sawNil(method)
						result, err = nil, context.Canceled
					}
				}()
				_ = versioned.ProtocolVersion()
			}
			return next(ctx, method, req)
		}
	}
}

// Bodies of requests for which the SDK has no params, or only params that it ignores.
var withoutParams = []string{
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get"}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":null}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/update","params": null }`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/cancel"}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks\/get"}`,
	`{"jsonrpc":"2.0","id":1,"m\u0065thod":"tasks/get"}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get"} trailing`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":null,"PARAMS":{"taskId":"task"}}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get","METHOD":"ping"}`,
	`{"jsonrpc":"2.0","id":1,"method":"ping","method":"tasks/get"}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"task"},"params":null}`,
	`{"jsonrpc":"2.0","id":1,"method":"tasks/get","x":"` + "\xff" + `"}`,
	`[{"jsonrpc":"2.0","id":1,"method":"tasks/get"}]`,
	`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tasks/cancel","params":null}] trailing`,
}

// No request reaches the program's middleware with typed nil params, whether the middleware
// was added before or after Mount.
func TestMiddlewareThatReadsVersion(t *testing.T) {
	for _, outermost := range []bool{false, true} {
		handler := guarded(t, outermost)
		for _, body := range withoutParams {
			sendAnyVersion(handler, body)
		}
	}
}

func FuzzNoRequestWithoutParams(f *testing.F) {
	for _, body := range withoutParams {
		f.Add(body)
	}
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"task",` + declared + `}}`)
	f.Add(`[[{"jsonrpc":"2.0","id":1,"method":"tasks/get"}]]`)
	f.Fuzz(func(t *testing.T, body string) {
		sendAnyVersion(guarded(t, true), body)
	})
}

// guarded returns an endpoint that fails the test if its middleware would panic.
func guarded(t *testing.T, outermost bool) http.Handler {
	server := newServer()
	middleware := readsVersion(func(method string) { t.Errorf("%s came without params", method) })
	if !outermost {
		server.AddReceivingMiddleware(middleware)
	}
	mcpserver.Mount(server, ownedTools(), newFakeRunner(), nil)
	if outermost {
		server.AddReceivingMiddleware(middleware)
	}
	return endpoint(server)
}

func sendAnyVersion(handler http.Handler, body string) {
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-03-26", ""} {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Mcp-Method", "tasks/get")
		req.Header.Set("Mcp-Name", "task")
		if version != "" {
			req.Header.Set("Mcp-Protocol-Version", version)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		_, _ = io.Copy(io.Discard, recorder.Body)
	}
}
