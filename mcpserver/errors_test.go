package mcpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// Every method answers an error of the Runner alike.
func TestRunnerErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		code    int
		message string
		logged  bool
	}{
		"any": {errSecret, jsonrpc.CodeInternalError, "internal error", true},
		"ours": {
			&mcptasks.Error{Op: "create", TaskID: "task", Err: errSecret, Hint: "give hunter2 to the database"},
			jsonrpc.CodeInternalError, "internal error", true,
		},
		"conflict": {
			&mcptasks.Error{Op: "cancel", TaskID: "task", Err: mcptasks.ErrConflict, Hint: "hunter2"},
			jsonrpc.CodeInternalError, "internal error", true,
		},
		"unknown tool": {
			&mcptasks.Error{Op: "create", Err: fmt.Errorf("%w: hunter2", mcptasks.ErrUnknownTool)},
			jsonrpc.CodeInternalError, "internal error", true,
		},
		"a JSON-RPC error is a cause like others": {
			fmt.Errorf("node said: %w", &jsonrpc.Error{Code: -32050, Message: "hunter2", Data: json.RawMessage(`"hunter2"`)}),
			jsonrpc.CodeInternalError, "internal error", true,
		},
		"not found": {
			&mcptasks.Error{Op: "get", TaskID: "task", Err: fmt.Errorf("%w: no row, hunter2", mcptasks.ErrNotFound), Hint: "hunter2"},
			jsonrpc.CodeInvalidParams, "task not found", false,
		},
		"invalid": {
			&mcptasks.Error{Op: "create", TaskID: "task", Err: fmt.Errorf("%w: the arguments hold a lone surrogate", mcptasks.ErrInvalid), Hint: "hunter2"},
			jsonrpc.CodeInvalidParams, "invalid input: the arguments hold a lone surrogate", false,
		},
		"limit": { // the message names the limit and its value
			&mcptasks.Error{Op: "create", Err: fmt.Errorf("%w: 7 tasks that have not ended; this server allows 7", mcptasks.ErrLimit), Hint: "hunter2"},
			jsonrpc.CodeInvalidParams, "limit reached: 7 tasks that have not ended; this server allows 7", false,
		},
		"bare invalid": {mcptasks.ErrInvalid, jsonrpc.CodeInvalidParams, "invalid input", false},
	} {
		for _, r := range []request{
			{method: "tasks/get", name: "task"},
			{method: "tasks/update", name: "task", responses: `{"key":{}}`},
			{method: "tasks/cancel", name: "task"},
			{method: "tools/call", name: "add", arguments: `{"a":1}`},
			{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: undeclared},
			{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: legacy},
		} {
			t.Run(name+"/"+r.method, func(t *testing.T) {
				t.Parallel()
				runner, log := newFakeRunner(), new(logBuffer)
				runner.fail = test.err
				server := mounted(t, ownedTools(), runner, &mcpserver.Options{Logger: log.logger()})
				a := post(t, server, r)
				a.rejected(t, test.code, test.message)
				if strings.Contains(a.message, "hunter2") || strings.Contains(a.message, `"data"`) {
					t.Errorf("the client got the message %s", a.message)
				}
				if logged := strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "error="); logged != test.logged {
					t.Errorf("the log is %q", log)
				}
			})
		}
	}
}

// A stored result that is not JSON is answered with an error. The SDK itself would send no
// answer at all.
func TestStoredResultIsNotJSON(t *testing.T) {
	for _, result := range []string{``, `{`, `{"content":`, `{} {}`} {
		runner, log := newFakeRunner(), new(logBuffer)
		outcome := &mcptasks.Outcome{Result: json.RawMessage(result)}
		runner.add(mcptasks.Task{ID: "task", Status: mcptasks.StatusCompleted, Outcome: outcome})
		server := mounted(t, ownedTools(), runner, &mcpserver.Options{Logger: log.logger()})
		post(t, server, request{method: "tasks/get", name: "task"}).rejected(t, jsonrpc.CodeInternalError, "internal error")
		if !strings.Contains(log.String(), "get task task: the stored result is not JSON") {
			t.Errorf("the log is %q", log)
		}
	}
}

// A tool that forbids tasks runs in the server. Its panic ends only its own call.
func TestForbiddenToolPanics(t *testing.T) {
	log := new(logBuffer)
	tools := ownedTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "panics"}, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		panic(errSecret)
	}, &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskForbidden})
	server := mounted(t, tools, newFakeRunner(), &mcpserver.Options{Logger: log.logger()})

	for _, meta := range []string{declared, undeclared, legacy, none} {
		post(t, server, request{method: "tools/call", name: "panics", meta: meta}).
			rejected(t, jsonrpc.CodeInternalError, "The tool stopped unexpectedly.")
		if a := post(t, server, request{method: "tools/call", name: "forbidden", meta: meta}); a.Error != nil {
			t.Errorf("afterwards the server answers %s", a.message)
		}
	}
	for _, want := range []string{"tool=panics", "hunter2", "errors_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
}

// A worker runs a durable tool's handler. The server never does.
func TestDurableToolDoesNotRunInTheCall(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "elsewhere"}, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		panic("the handler was called")
	}, nil)
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "no-handler"}, nil, nil)
	runner := newFakeRunner()
	server := mounted(t, tools, runner, nil)
	for _, name := range []string{"elsewhere", "no-handler"} {
		post(t, server, request{method: "tools/call", name: name})
	}
	wantCalls(t, runner, `Create "" elsewhere {}`, `Create "" no-handler {}`)
}

// Create gets the request's _meta.
func TestCreateGetsMeta(t *testing.T) {
	runner, tools := newFakeRunner(), ownedTools()
	runner.work = worker(t, tools)
	server := mounted(t, tools, runner, nil)
	meta := strings.Replace(declared, `"_meta":{`, `"_meta":{"claudecode/toolUseId":"toolu_1","progressToken":7,`, 1)
	post(t, server, request{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: meta})
	var got map[string]any
	if err := json.Unmarshal(runner.params["created-1"].Meta, &got); err != nil {
		t.Fatal(err)
	}
	if got["claudecode/toolUseId"] != "toolu_1" || got["progressToken"] != 7.0 || got[mcp.MetaKeyProtocolVersion] != "2026-07-28" {
		t.Errorf("the task's _meta is %v", got)
	}

	post(t, server, request{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: none})
	if data := runner.params["created-2"].Meta; data != nil {
		t.Errorf("the task's _meta is %s, want none", data)
	}
}

func TestBodyTooLarge(t *testing.T) {
	runner := newFakeRunner()
	mcpServer := newServer()
	mcpserver.Mount(mcpServer, ownedTools(), runner, nil)
	for limit, want := range map[int64]int{500: http.StatusRequestEntityTooLarge, 0: http.StatusOK, -1: http.StatusOK, 1 << 20: http.StatusOK} {
		server := serve(t, mcpserver.NewHandler(func(*http.Request) *mcp.Server { return mcpServer }, &mcpserver.HandlerOptions{
			StreamableHTTP: mcp.StreamableHTTPOptions{MaxRequestBodyBytes: limit},
		}))
		for _, contentLength := range []bool{true, false} {
			r := request{method: "tasks/cancel", name: strings.Repeat("x", 500)}.http(t.Context(), server.URL)
			if !contentLength {
				r.ContentLength = -1
			}
			res, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got := res.StatusCode; (got == http.StatusRequestEntityTooLarge) != (want == http.StatusRequestEntityTooLarge) {
				t.Errorf("limit %d: HTTP %d", limit, got)
			}
		}
	}
	for _, call := range runner.takeCalls() {
		if !strings.HasPrefix(call, "Cancel") {
			t.Error(call)
		}
	}
}

// NewHandler serves requests other than POST as the SDK does.
func TestOtherHTTPMethods(t *testing.T) {
	server := mounted(t, ownedTools(), newFakeRunner(), nil)
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
			t.Errorf("%s: HTTP %s, Allow %q", method, res.Status, res.Header.Get("Allow"))
		}
	}
}
