package mcpclient

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// errUnfollowed is the error of a tools/call that does not come from a [Session].
var errUnfollowed = errors.New("mcpclient: the call was not sent, since the SDK's session drops the id of a task: use CallTool or Start of mcpclient.Session")

// rejectUnfollowedCalls is sending middleware that returns an error for a tools/call
// without a capture: the client declares tasks, so the server may make it a task that nobody
// follows.
func rejectUnfollowedCalls(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if method == mcpwire.MethodCall && !captureFrom(ctx).allowsCall() {
			return nil, errUnfollowed
		}
		return next(ctx, method, req)
	}
}

// call sends tools/call through the SDK, which the capture allows once: handlers that
// the SDK calls meanwhile inherit the call's context.
func (c *conn) call(ctx context.Context, captured *capture, params *mcp.CallToolParams) (*mcp.CallToolResult, error) {
	captured.callAllowed.Store(true)
	return c.CallTool(withCapture(ctx, captured), params)
}

// allowsCall reports whether a tools/call may be sent, and forbids the next.
func (c *capture) allowsCall() bool {
	return c != nil && c.callAllowed.CompareAndSwap(true, false)
}
