package mcpserver

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/mcpserver/internal/helper"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// traced makes a span of a request that changes something: a call of one of the tools, an
// answer, a cancel. Reads have none: they would be most of every trace. The span's parent
// is the trace context of the request's _meta (SEP-414), or else that of the HTTP request.
func (m *mount) traced(ctx context.Context, method string, req mcp.Request, serve func(context.Context) (mcp.Result, error)) (result mcp.Result, err error) {
	tool, ok := m.tracedTool(method, req)
	if !ok {
		return serve(ctx)
	}
	ambient := ctx
	if client := sideband.FromContext(ctx).ClientContext(); client != nil {
		ambient = client // the SDK's context may be the session's
	}
	ctx, span := m.tracer.Request(ctx, ambient, method, tool, mcpwire.Meta(req))
	defer func() { endSpan(span, req, result, err) }()
	return serve(ctx)
}

// tracedTool returns the tool that a request is about, "" for none, and whether the
// request has a span.
func (m *mount) tracedTool(method string, req mcp.Request) (string, bool) {
	if method != mcpwire.MethodCall {
		return "", method == mcpwire.MethodUpdate || method == mcpwire.MethodCancel
	}
	params, ok := req.GetParams().(*mcp.CallToolParamsRaw)
	if !ok || params == nil {
		return "", false
	}
	_, ours := m.service.Tools.Get(params.Name) // calls of other tools are not ours to trace
	return params.Name, ours || m.helperTools && helper.Is(params.Name)
}

func endSpan(span trace.Span, req mcp.Request, result mcp.Result, err error) {
	if span.IsRecording() {
		version, _ := mcpwire.Meta(req)[mcp.MetaKeyProtocolVersion].(string)
		telemetry.SetProtocol(span, version)
	}
	var rpc *jsonrpc.Error
	switch {
	case errors.As(err, &rpc):
		telemetry.SetCode(span, rpc.Code, isMistake(rpc.Code))
	case err != nil:
		telemetry.SetCode(span, jsonrpc.CodeInternalError, false)
	case isToolError(result):
		telemetry.SetToolError(span)
	}
	span.End()
}

func isToolError(result mcp.Result) bool {
	switch answer := result.(type) {
	case *mcp.CallToolResult: // of a tool that ran in the call, or of arguments that did not pass
		return answer != nil && answer.IsError
	case *mcpwire.CallResult: // of a task that was waited for
		return answer != nil && answer.IsError
	}
	return false
}

// isMistake reports whether the code says that the client asked for what it cannot have.
func isMistake(code int64) bool {
	switch code {
	case jsonrpc.CodeParseError, jsonrpc.CodeInvalidRequest, jsonrpc.CodeMethodNotFound, jsonrpc.CodeInvalidParams,
		mcp.CodeMissingRequiredClientCapabilities:
		return true
	}
	return false
}
