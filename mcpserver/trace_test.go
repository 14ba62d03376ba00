package mcpserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// traceparent is the trace context that a client sends with a call.
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// inTrace adds the client's trace context to _meta.
func inTrace(meta string) string {
	return strings.Replace(meta, `"_meta":{`, `"_meta":{"traceparent":"`+traceparent+`",`, 1)
}

// tracedTools returns a tool for each way in which a call can end.
func tracedTools() *mcptasks.Tools {
	tools := ownedTools()
	fails := func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("out of luck")
	}
	mcptasks.AddTool(tools, &mcp.Tool{Name: "fails"}, fails, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "fails here"}, fails, &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskForbidden})
	return tools
}

// A request that changes something has a span, a child of the client's span. A request that
// only reads has no span, and neither has a call of another tool.
func TestRequestsAreTraced(t *testing.T) {
	const tool = " gen_ai.operation.name=execute_tool gen_ai.tool.name="
	const version = " mcp.protocol.version=2026-07-28"
	for _, tc := range []struct {
		request request
		fail    error
		want    string // name, attributes, status; "" for no span
	}{
		{request{method: "tools/call", name: "add", arguments: `{"a":1}`}, nil, "tools/call add:" + tool + "add mcp.method.name=tools/call" + version + " Unset"},
		{request{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: undeclared}, nil, "tools/call add:" + tool + "add mcp.method.name=tools/call" + version + " Unset"},
		{request{method: "tools/call", name: "forbidden"}, nil, "tools/call forbidden:" + tool + "forbidden mcp.method.name=tools/call" + version + " Unset"},
		{request{method: "tools/call", name: "fails", meta: undeclared}, nil, "tools/call fails: error.type=tool_error" + tool + "fails mcp.method.name=tools/call" + version + " Error"},
		{request{method: "tools/call", name: "fails here"}, nil, "tools/call fails here: error.type=tool_error" + tool + "fails here mcp.method.name=tools/call" + version + " Error"},
		{request{method: "tools/call", name: "add", arguments: `{"a":"x"}`}, nil, "tools/call add: error.type=tool_error" + tool + "add mcp.method.name=tools/call" + version + " Error"},
		{request{method: "tools/call", name: "add", arguments: `{"a":1}`}, errSecret, "tools/call add: error.type=-32603" + tool + "add mcp.method.name=tools/call" + version + " rpc.response.status_code=-32603 Error"},
		{request{method: "tools/call", name: "required", meta: undeclared}, nil, "tools/call required:" + tool + "required mcp.method.name=tools/call" + version + " rpc.response.status_code=-32021 Unset"},
		{request{method: "tasks/update", name: "task", responses: `{}`}, nil, "tasks/update: mcp.method.name=tasks/update" + version + " Unset"},
		{request{method: "tasks/cancel", name: "task"}, nil, "tasks/cancel: mcp.method.name=tasks/cancel" + version + " Unset"},
		{request{method: "tasks/cancel", name: "unknown"}, nil, "tasks/cancel: mcp.method.name=tasks/cancel" + version + " rpc.response.status_code=-32602 Unset"},
		{request{method: "tasks/get", name: "task"}, nil, ""},
		{request{method: "tools/call", name: "nobody's"}, nil, ""},
		{request{method: "tools/call", name: "theirs"}, nil, ""},
	} {
		spans := tracetest.NewSpanRecorder()
		runner, tools := newFakeRunner(), tracedTools()
		runner.work, runner.fail = worker(t, tools), tc.fail
		runner.add(mcptasks.Task{ID: "task", Status: mcptasks.StatusWorking})
		mcpServer := newServer()
		mcp.AddTool(mcpServer, &mcp.Tool{Name: "theirs"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		})
		mcpserver.Mount(mcpServer, tools, runner, &mcpserver.Options{
			Logger: new(logBuffer).logger(), TracerProvider: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)),
		})
		server := serve(t, endpoint(mcpServer))
		for _, traced := range []bool{true, false} {
			r := tc.request
			if r.meta == "" {
				r.meta = declared
			}
			if traced {
				r.meta = inTrace(r.meta)
			}
			before := len(spans.Ended())
			res := post(t, server, r)
			ended := spans.Ended()[before:]
			if tc.want == "" && len(ended) == 0 {
				continue
			}
			if len(ended) != 1 || describe(ended[0]) != tc.want {
				t.Errorf("%s %s: spans\n%q, want\n%q\n(%s)", r.method, r.name, describe(ended...), tc.want, res.message)
				continue
			}
			if parent := parentOf(ended[0]); traced && parent != traceparent || !traced && parent != "" {
				t.Errorf("%s %s: the parent is %q", r.method, r.name, parent)
			}
		}
	}
}

// describe returns a span's name, attributes in order, and status.
func describe(spans ...sdk.ReadOnlySpan) string {
	text := ""
	for _, span := range spans {
		text += span.Name() + ":"
		set := make(map[string]string)
		for _, kv := range span.Attributes() {
			set[string(kv.Key)] = kv.Value.String()
		}
		for _, key := range []string{"error.type", "gen_ai.operation.name", "gen_ai.tool.name", "mcp.method.name", "mcp.protocol.version", "rpc.response.status_code"} {
			if value, ok := set[key]; ok {
				text += " " + key + "=" + value
				delete(set, key)
			}
		}
		if len(set) > 0 {
			text += fmt.Sprintf(" and %v", set)
		}
		if span.SpanKind() != trace.SpanKindServer {
			text += " is a " + span.SpanKind().String()
		}
		text += " " + span.Status().Code.String()
		if span.Status().Code == codes.Error && span.Status().Description != "" {
			text += " " + span.Status().Description // may be text that clients do not get
		}
	}
	return text
}

func parentOf(span sdk.ReadOnlySpan) string {
	if parent := span.Parent(); parent.IsValid() {
		return "00-" + parent.TraceID().String() + "-" + parent.SpanID().String() + "-" + parent.TraceFlags().String()
	}
	return ""
}

// The span of the HTTP request is the parent of a call without a trace context, also in a
// session. It is linked to a call that has one.
func TestHTTPSpanIsTheParent(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	mcpServer := newServer()
	runner, tools := newFakeRunner(), ownedTools()
	runner.work = worker(t, tools)
	mcpserver.Mount(mcpServer, tools, runner, &mcpserver.Options{TracerProvider: provider})
	inner := endpoint(mcpServer)
	calls := make(chan trace.SpanContext, 1)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		ctx, span := provider.Tracer("http").Start(r.Context(), "HTTP")
		defer span.End()
		if bytes.Contains(body, []byte("tools/call")) {
			calls <- span.SpanContext()
		}
		inner.ServeHTTP(w, r.WithContext(ctx))
	}))
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: server.URL}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, meta := range []mcp.Meta{nil, {"traceparent": traceparent}, nil} {
		if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Meta: meta, Name: "add", Arguments: map[string]any{"a": 1}}); err != nil {
			t.Fatal(err)
		}
		var call sdk.ReadOnlySpan
		for _, span := range spans.Ended() {
			if span.Name() == "tools/call add" {
				call = span // the last
			}
		}
		post, links := <-calls, call.Links()
		around := "00-" + post.TraceID().String() + "-" + post.SpanID().String() + "-01"
		switch {
		case meta == nil && (parentOf(call) != around || len(links) > 0):
			t.Errorf("the parent is %s, want the HTTP request's %s; links %v", parentOf(call), around, links)
		case meta != nil && (parentOf(call) != traceparent || len(links) != 1 || links[0].SpanContext.SpanID() != post.SpanID()):
			t.Errorf("the parent is %s, want the client's; links %v", parentOf(call), links)
		}
	}
}
