// Package call answers tools/call: it makes a call a task, and answers with the task's
// handle or its result, as the client's generation of the protocol and its capabilities
// ask. It knows how long to wait for a task. It does not know how tasks are stored and run.
package call

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/session"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Options are those of mcpserver.Options that are about calls.
type Options struct {
	PlainWait          time.Duration
	HelperTools        bool
	IdempotencyMetaKey string
}

// Calls answers the tools/call requests of a server. Safe for concurrent use.
type Calls struct {
	service  *service.Service
	sessions *session.Sessions
	options  Options
}

// New returns the calls of a server.
func New(service *service.Service, sessions *session.Sessions, options Options) *Calls {
	return &Calls{service: service, sessions: sessions, options: options}
}

// Answer answers tools/call. For a durable tool the SDK checks the arguments and calls
// Create in place of the handler. What Create returns comes back through the SDK as a
// tool's error, and is replaced by the handle or by the task's result.
func (c *Calls) Answer(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	params, ok := req.GetParams().(*mcp.CallToolParamsRaw)
	if !ok || params == nil {
		return next(ctx, mcpwire.MethodCall, req)
	}
	if string(params.Arguments) == "null" {
		params.Arguments = nil // the SDK takes null for none, but panics when it adds defaults to it
	}
	tool, ours := c.service.Tools.Get(params.Name)
	support := mcptasks.TaskForbidden
	if ours {
		support = tool.Options.TaskSupport
	}
	request := sideband.FromContext(ctx)
	if err := session.ReadAsksForTask(request, support); err != nil {
		return nil, err
	}
	switch {
	case !ours:
		return next(ctx, mcpwire.MethodCall, req)
	case support == mcptasks.TaskForbidden:
		return runInCall(ctx, c.service.Log, next, req, tool)
	case support == mcptasks.TaskRequired && !request.AsksForTask && !mcpwire.Declares(req):
		return nil, mcpwire.MissingCapability()
	}
	var err error
	if request.Owner, err = c.service.Owner(ctx, req); err != nil {
		return nil, err
	}
	result, err := next(ctx, mcpwire.MethodCall, req)
	if answer := answeredBefore(result); answer != nil {
		return beforeResult(answer, request.Generation == mcpwire.TasksExtension)
	}
	task := createdTask(result)
	switch {
	case task == nil && request.AsksForTask && err == nil && session.Rejection(result) != nil:
		return nil, session.Rejection(result)
	case task == nil:
		return result, err
	case request.AsksForTask:
		c.follow(ctx, req, task)
		return mcpwire.NewCoreHandle(task), nil
	case mcpwire.Declares(req):
		return c.handle(ctx, req, task, tool.Options.InlineWait)
	default:
		return c.plain(ctx, req, task, tool.Options.PlainWait)
	}
}

// follow has the session's client notified of the task that it created.
func (c *Calls) follow(ctx context.Context, req mcp.Request, task *mcptasks.Task) {
	client, _ := req.GetSession().(*mcp.ServerSession)
	if s := c.sessions.Of(ctx, client); s != nil {
		s.Follow(sideband.FromContext(ctx).Owner, task, true)
	}
}

// runInCall runs a tool that forbids tasks in the call, as go-sdk would. The SDK does not
// recover a tool's panic, which would end the process.
func runInCall(ctx context.Context, log *slog.Logger, next mcp.MethodHandler, req mcp.Request, tool *mcptasks.Tool) (result mcp.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "mcptasks: the handler panicked", "tool", tool.Name, "panic", p, "stack", string(debug.Stack()))
			result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "The tool stopped unexpectedly."}
		}
	}()
	return next(ctx, mcpwire.MethodCall, req)
}
