package mcpserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// plainClients are the clients that get no task.
var plainClients = map[string]string{"undeclared": undeclared, "legacy": legacy}

// A toolPair is the same tool twice: durable, and as a plain tool of the SDK.
type toolPair struct {
	durable func(*mcptasks.Tools)
	inline  func(*mcp.Server)
}

func pair[In, Out any](tool mcp.Tool, fn func(In) (*mcp.CallToolResult, Out, error)) toolPair {
	tool.Name = "tool"
	return toolPair{
		durable: func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, &tool, func(_ context.Context, _ *mcptasks.Run, in In) (*mcp.CallToolResult, Out, error) { return fn(in) }, nil)
		},
		inline: func(server *mcp.Server) {
			mcp.AddTool(server, &tool, func(_ context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
				return fn(in)
			})
		},
	}
}

// ends returns a tool without arguments. result is called for each call, because the SDK
// writes into the result.
func ends[Out any](result func() *mcp.CallToolResult, out Out, err error) toolPair {
	return pair(mcp.Tool{}, func(struct{}) (*mcp.CallToolResult, Out, error) { return result(), out, err })
}

func noResult() *mcp.CallToolResult { return nil }

func textResult(s string) func() *mcp.CallToolResult {
	return func() *mcp.CallToolResult { return text(s) }
}

// A client that waits for a task gets the answer that the same tool gives under the SDK
// alone. Only the escaping of <, > and & may differ.
func TestPlainAnswerIsTheInlineAnswer(t *testing.T) {
	type out struct {
		Big  int64   `json:"big"`
		Text string  `json:"text"`
		Rest []int   `json:"rest"`
		Real float64 `json:"real"`
	}
	type in struct {
		N    int      `json:"n,omitempty"`
		Flag *bool    `json:"flag,omitempty"`
		List []string `json:"list,omitempty"`
	}
	meta := func() mcp.Meta {
		return mcp.Meta{"big": int64(1<<53 + 1), "nested": map[string]any{"list": []any{1.5, "a<b", nil}}}
	}
	size := int64(1<<53 + 1)
	var nothing any
	wrapped := fmt.Errorf("while working: %w", &jsonrpc.Error{Code: -32050, Message: "the tool says no"})

	for name, test := range map[string]struct {
		toolPair
		arguments string
	}{
		"text":                   {toolPair: ends(textResult("a<b & \u2028 \x00"), nothing, nil)},
		"nothing at all":         {toolPair: ends(noResult, nothing, nil)},
		"no content":             {toolPair: ends(func() *mcp.CallToolResult { return &mcp.CallToolResult{} }, nothing, nil)},
		"structured":             {toolPair: ends(noResult, out{Big: 1<<53 + 1, Text: "a\x00<b", Real: 1e21}, nil)},
		"structured and text":    {toolPair: ends(textResult("the text"), out{Big: 1}, nil)},
		"a structured list":      {toolPair: ends(textResult("the text"), []int64{1<<53 + 1}, nil)},
		"an error":               {toolPair: ends(noResult, nothing, errors.New("disk full"))},
		"an error with a result": {toolPair: ends(textResult("dropped"), out{}, errors.New("disk full"))},
		"a JSON-RPC error": {toolPair: ends(noResult, nothing, error(&jsonrpc.Error{
			Code: -32050, Message: "the tool says no", Data: json.RawMessage(`{"why":9007199254740993}`),
		}))},
		"a wrapped JSON-RPC error": {toolPair: ends(noResult, nothing, wrapped)},
		"output that is not JSON":  {toolPair: ends(noResult, out{Real: math.NaN()}, nil)},
		"untyped structured": {toolPair: ends(func() *mcp.CallToolResult {
			return &mcp.CallToolResult{StructuredContent: map[string]any{"big": int64(1<<53 + 1)}}
		}, nothing, nil)},
		"a result with isError": {toolPair: ends(func() *mcp.CallToolResult {
			return &mcp.CallToolResult{IsError: true, Content: text("no").Content}
		}, nothing, nil)},
		"_meta": {toolPair: ends(func() *mcp.CallToolResult {
			return &mcp.CallToolResult{Meta: meta(), Content: text("x").Content}
		}, nothing, nil)},
		"content of every kind": {toolPair: ends(func() *mcp.CallToolResult {
			return &mcp.CallToolResult{Content: []mcp.Content{
				&mcp.TextContent{Text: "", Meta: meta(), Annotations: &mcp.Annotations{Priority: 0.3, Audience: []mcp.Role{"user"}}},
				&mcp.ImageContent{Data: []byte{0, 1, 2}, MIMEType: "image/png", Meta: meta()},
				&mcp.AudioContent{Data: []byte{}, MIMEType: "audio/wav"},
				&mcp.ResourceLink{URI: "file:///a", Name: "a", Size: &size, Meta: meta()},
				&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///b", Text: "", Meta: meta()}},
				&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///c", Blob: []byte{255}}},
			}}
		}, nothing, nil)},
		"defaults": {arguments: `{"flag":false}`, toolPair: pair(mcp.Tool{
			InputSchema: json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer","default":7},"flag":{"type":"boolean","default":true},"list":{"type":["null","array"]}}}`),
		}, func(in in) (*mcp.CallToolResult, any, error) {
			return text(fmt.Sprintf("%d %t %t", in.N, *in.Flag, in.List == nil)), nil, nil
		})},
	} {
		for client, meta := range plainClients {
			t.Run(name+"/"+client, func(t *testing.T) {
				t.Parallel()
				inline := newServer()
				test.inline(inline)
				tools := mcptasks.NewTools()
				test.durable(tools)
				runner := newFakeRunner()
				runner.work = worker(t, tools)

				call := request{method: "tools/call", name: "tool", meta: meta, arguments: test.arguments}
				want := post(t, serve(t, endpoint(inline)), call)
				got := post(t, mounted(t, tools, runner, nil), call)
				if got.status != want.status || spelt(got.message) != spelt(want.message) {
					t.Errorf("durable: HTTP %d %s\ninline: HTTP %d %s", got.status, got.message, want.status, want.message)
				}
				if len(runner.takeCalls()) == 0 {
					t.Error("no task was made")
				}
			})
		}
	}
}

var spelt = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace

// If the wait ends before the task, the task is cancelled.
func TestWaitEndsBeforeTheTask(t *testing.T) {
	const gaveUp = "The tool did not finish within 1ms and was cancelled. A client that supports MCP tasks can wait for it."
	late := func(result string) *mcptasks.Outcome { return &mcptasks.Outcome{Result: json.RawMessage(result)} }

	for name, test := range map[string]struct {
		runner  func(*fakeRunner)
		result  string // the answer's content and isError
		code    int    // or its error
		message string
		calls   []string
		logged  string
	}{
		"it is cancelled": {
			result: `{"content":[{"type":"text","text":"` + gaveUp + `"}],"isError":true`,
			calls:  []string{"Create", "Watch", "Cancel"},
		},
		"it ended with a result just then": {
			runner: func(f *fakeRunner) { f.late = late(`{"content":[{"type":"text","text":"just in time"}]}`) },
			result: `{"content":[{"type":"text","text":"just in time"}]`,
			calls:  []string{"Create", "Watch", "Cancel"},
		},
		"it failed just then": {
			runner: func(f *fakeRunner) { f.late = failure.Outcome("The tool stopped unexpectedly.") },
			code:   jsonrpc.CodeInternalError, message: "The tool stopped unexpectedly.",
			calls: []string{"Create", "Watch", "Cancel"},
		},
		"an operator cancelled it": {
			runner: func(f *fakeRunner) {
				f.work = func(context.Context, mcptasks.CreateParams, int) *mcptasks.Outcome { return nil }
			},
			result: `{"content":[{"type":"text","text":"The task was cancelled."}],"isError":true`,
			calls:  []string{"Create", "Watch"},
		},
		"it cannot be read any more": {
			runner: func(f *fakeRunner) { f.failWatch = errSecret },
			code:   jsonrpc.CodeInternalError, message: "internal error",
			calls:  []string{"Create", "Watch", "Cancel"},
			logged: "hunter2",
		},
		"what is stored is no result": {
			runner: func(f *fakeRunner) { f.late = late(`{"isError":"secret"}`) },
			code:   jsonrpc.CodeInternalError, message: "internal error",
			calls:  []string{"Create", "Watch", "Cancel"},
			logged: "isError",
		},
	} {
		for client, meta := range plainClients {
			t.Run(name+"/"+client, func(t *testing.T) {
				t.Parallel()
				runner, log := newFakeRunner(), new(logBuffer)
				if test.runner != nil {
					test.runner(runner)
				}
				tools := mcptasks.NewTools()
				mcptasks.AddTool(tools, &mcp.Tool{Name: "add"}, add, nil)
				server := mounted(t, tools, runner, &mcpserver.Options{PlainWait: time.Millisecond, Logger: log.logger()})

				got := post(t, server, request{method: "tools/call", name: "add", meta: meta, arguments: `{"a":1}`})
				if test.message != "" {
					got.rejected(t, test.code, test.message)
				} else if !strings.Contains(withoutServerInfo(t, got.Result), test.result) {
					t.Errorf("the answer is %s, want %s", got.message, test.result)
				}
				calls := runner.takeCalls()
				for i, call := range calls {
					calls[i], _, _ = strings.Cut(call, " ")
				}
				if strings.Join(calls, " ") != strings.Join(test.calls, " ") {
					t.Errorf("the runner was called with %q, want %q", calls, test.calls)
				}
				if !strings.Contains(log.String(), test.logged) || test.logged == "" && log.String() != "" {
					t.Errorf("the log is %q, want %q in it", log, test.logged)
				}
			})
		}
	}
}

func withoutServerInfo(t *testing.T, result json.RawMessage) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(result, &members); err != nil {
		t.Fatalf("the result is %s: %v", result, err)
	}
	delete(members, "_meta")
	data, _ := json.Marshal(members)
	return string(data)
}

// If a client leaves while it waits, its task is cancelled: in every protocol version, and
// whether or not the client also sends a cancellation.
func TestWaitingClientGoesAway(t *testing.T) {
	for client, meta := range plainClients {
		for _, propagate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/propagate=%t", client, propagate), func(t *testing.T) {
				t.Parallel()
				runner, log := newFakeRunner(), new(logBuffer)
				tools := mcptasks.NewTools()
				mcptasks.AddTool(tools, &mcp.Tool{Name: "add"}, add, nil)
				mcpServer := newServer()
				mcpserver.Mount(mcpServer, tools, runner, &mcpserver.Options{PlainWait: 2 * goneFor, Logger: log.logger()})
				server := serve(t, mcpserver.NewHandler(func(*http.Request) *mcp.Server { return mcpServer }, &mcpserver.HandlerOptions{
					StreamableHTTP: mcp.StreamableHTTPOptions{PropagateRequestCancellation: propagate},
				}))

				id := callAndLeave(t, server, runner, request{method: "tools/call", name: "add", meta: meta, arguments: `{"a":1}`})
				if id != "" && id != "created-1" {
					t.Errorf("task %q was cancelled", id)
				}
				if log.String() != "" {
					t.Errorf("the log has %s", log)
				}
			})
		}
	}
}

// callAndLeave makes a call, leaves when its task is watched, and returns the id of the task
// that is cancelled then.
func callAndLeave(t *testing.T, server *httptest.Server, runner *fakeRunner, call request) string {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	left := make(chan error, 1)
	go func() {
		res, err := server.Client().Do(call.http(ctx, server.URL))
		if err == nil {
			_ = res.Body.Close()
		}
		left <- err
	}()
	<-runner.watching
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the client left with %v", err)
	}
	select {
	case id := <-runner.cancelled:
		return id
	case <-time.After(goneFor):
		t.Errorf("the client has gone for %s, and its task goes on", goneFor)
		return ""
	}
}

// goneFor is how long a test waits. The server waits longer, so that the test ends first.
const goneFor = 10 * time.Second

// If a client that declares the extension leaves, its task continues: after it got its handle,
// and before.
func TestDeclaringClientNeedNotStay(t *testing.T) {
	runner := newFakeRunner()
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "add"}, add, nil)
	server := mounted(t, tools, runner, nil)
	post(t, server, request{method: "tools/call", name: "add", arguments: `{"a":1}`})
	server.CloseClientConnections()
	server.Close()
	wantCalls(t, runner, `Create "" add {"a":1}`)
}
