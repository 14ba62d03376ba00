// Package mcpserver serves durable tools on a go-sdk server, to clients of both of
// MCP's task protocols: the Tasks extension (SEP-2663, protocol 2026-07-28) and the
// tasks of protocol 2025-11-25. Each request is answered in its own.
package mcpserver

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Options describe how tools are served. Nil works.
type Options struct {
	// Owner names the owner of the tasks that a request makes and may see; it is
	// asked where a task is concerned, and when a 2025-11-25 session begins. An error
	// refuses the request. Defaults to the user id of the bearer token that go-sdk's
	// auth middleware verified, "" without one.
	//
	// A tasks/get that [NewHandler] answers without the SDK comes with an empty session,
	// which has neither an ID nor InitializeParams nor a connection. What its client says
	// of itself is in the params' _meta.
	Owner func(ctx context.Context, req mcp.Request) (mcptasks.Owner, error)

	// PlainWait is how long a client that does not know tasks waits for a
	// tool's result. Beyond it the task is cancelled and the answer is an error
	// result that says so. It does not run while the client is asked what the
	// tool asks, and begins anew with the answer. Defaults to 30 seconds.
	PlainWait time.Duration

	// HelperTools adds the tools task_status, task_result, task_answer and
	// task_cancel. A task that outlasts the wait of a client that does not know
	// tasks is then not cancelled: the answer names it, and these tools ask for it.
	HelperTools bool

	// IdempotencyMetaKey is a member of _meta that names a call, beside
	// claudecode/toolUseId and the Idempotency-Key header: a call that comes
	// again gets the task it made. Over HTTP this needs an owner.
	IdempotencyMetaKey string

	// Logger is where errors go that clients are not told. Defaults to
	// slog.Default().
	Logger *slog.Logger

	// TracerProvider makes the spans of requests that do something: tools/call of
	// these tools, tasks/update and tasks/cancel. Their parent is the trace context
	// in the request's _meta, or else that of the HTTP request. Defaults to
	// OpenTelemetry's global one.
	TracerProvider trace.TracerProvider
}

// Mount adds the tools to the server, with the methods tasks/* and the extension's
// capability, all answered by runner. Call it after the server's own middleware is
// added and before it serves: Mount's must be outermost.
//
// The tasks of 2025-11-25, and subscriptions to tasks, need what the SDK drops of
// requests: they are offered where the server is served by [NewHandler], or on a
// transport made by [NewTransport]. A client is offered tasks/list only if it has an owner.
func Mount(server *mcp.Server, tools *mcptasks.Tools, runner mcptasks.Runner, opts *Options) {
	m := &mount{tools: tools, runner: runner, askers: make(map[*line]*asker)}
	if opts != nil {
		m.opts = *opts
	}
	m.tracer = telemetry.NewTracer(m.opts.TracerProvider)
	m.ownerIsUser = m.opts.Owner == nil
	if m.ownerIsUser {
		m.opts.Owner = tokenOwner
	}
	if m.opts.PlainWait == 0 {
		m.opts.PlainWait = 30 * time.Second
	}
	if m.opts.Logger == nil {
		m.opts.Logger = slog.Default()
	}

	for _, tool := range tools.All() {
		if tool.Options.TaskSupport == mcptasks.TaskForbidden {
			tools.Internal().Mount(server, tool.Name, nil)
		} else {
			tools.Internal().Mount(server, tool.Name, m.create)
		}
	}
	if m.opts.HelperTools {
		m.addHelpers(server)
	}
	for _, err := range []error{
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodGet, m.get),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodUpdate, m.update),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodCancel, m.cancel),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodResult, m.result),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodList, m.list),
	} {
		if err != nil { // the SDK has come to know the method itself
			panic("mcptasks: Mount: " + err.Error())
		}
	}
	server.AddReceivingMiddleware(m.middleware)
	server.AddSendingMiddleware(m.sending)
	remember(server, m)
}

type mount struct {
	tools  *mcptasks.Tools
	runner mcptasks.Runner
	opts   Options
	tracer *telemetry.Tracer
	polls  polls

	ownerIsUser bool // the verified token's; Owner is ours
	alone       bool // the server has no receiving middleware but ours

	mu     sync.Mutex
	askers map[*line]*asker // one for each 2025-11-25 session that has met a task
}

func tokenOwner(_ context.Context, req mcp.Request) (mcptasks.Owner, error) {
	if extra := req.GetExtra(); extra != nil {
		return tokenUser(extra.TokenInfo)
	}
	return "", nil
}

func tokenUser(token *auth.TokenInfo) (mcptasks.Owner, error) {
	switch {
	case token == nil:
		return "", nil
	case token.UserID == "":
		return "", errors.New("the verified token names no user; set Options.Owner")
	}
	return mcptasks.Owner(token.UserID), nil
}

// middleware is the one place where a request's generation and owner are known:
// the handlers behind it see neither.
func (m *mount) middleware(next mcp.MethodHandler) mcp.MethodHandler {
	m.alone = isSDKs(next)
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		c, err := carrierOf(req)
		if err != nil && isRequest(method) { // of a notification nobody waits for the answer
			return nil, err
		}
		ctx = withCarrier(ctx, c)
		if c != nil && c.batch && generation(req) == core {
			return nil, errBatch // the SDK takes one that does not name its version
		}
		switch method {
		case mcpwire.MethodDiscover:
			result, err := next(ctx, method, req)
			if discovered, ok := result.(*mcp.DiscoverResult); ok {
				advertise(discovered)
			}
			return result, err
		case mcpwire.MethodInitialize:
			return m.initialize(ctx, next, req)
		case mcpwire.MethodTools:
			return m.listTools(ctx, next, req)
		case mcpwire.MethodCall:
			return m.traced(ctx, method, req, func(ctx context.Context) (mcp.Result, error) { return m.call(ctx, next, req) })
		case mcpwire.MethodListen:
			return m.listen(ctx, next, req)
		case mcpwire.MethodGet, mcpwire.MethodUpdate, mcpwire.MethodCancel, mcpwire.MethodResult, mcpwire.MethodList:
			return m.traced(ctx, method, req, func(ctx context.Context) (mcp.Result, error) { return m.serveTasks(ctx, next, method, req) })
		default:
			return next(ctx, method, req)
		}
	}
}

func isRequest(method string) bool { return !strings.HasPrefix(method, "notifications/") }

func advertise(discovered *mcp.DiscoverResult) {
	var capabilities mcp.ServerCapabilities
	if discovered.Capabilities != nil {
		capabilities = *discovered.Capabilities
	}
	capabilities.Extensions = cloneWith(capabilities.Extensions, mcpwire.Extension, map[string]any{})
	discovered.Capabilities = &capabilities
}

func cloneWith(in map[string]any, key string, value any) map[string]any {
	out := make(map[string]any, len(in)+1)
	for k, v := range in {
		out[k] = v
	}
	out[key] = value
	return out
}

type ownerKey struct{}

func (m *mount) owner(ctx context.Context, req mcp.Request) (mcptasks.Owner, error) {
	owner, err := m.opts.Owner(ctx, req)
	return m.checked(ctx, owner, err)
}

// checked is the owner, unless there was an error: nobody is anonymous by mistake.
func (m *mount) checked(ctx context.Context, owner mcptasks.Owner, err error) (mcptasks.Owner, error) {
	if err != nil {
		m.opts.Logger.WarnContext(ctx, "mcptasks: a request was refused because its owner is not known", "error", err)
		return "", &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the request's owner could not be determined"}
	}
	return owner, nil
}

func contextOwner(ctx context.Context) mcptasks.Owner {
	owner, _ := ctx.Value(ownerKey{}).(mcptasks.Owner)
	return owner
}
