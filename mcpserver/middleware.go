package mcpserver

import (
	"context"
	"maps"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/fastpath/poll"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/mcpserver/internal/call"
	"github.com/mcptasks/mcptasks/mcpserver/internal/message"
	"github.com/mcptasks/mcptasks/mcpserver/internal/method"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/session"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
	"github.com/mcptasks/mcptasks/mcpserver/internal/subscription"
)

// A mount is what one call of Mount has added to a server.
type mount struct {
	service     *service.Service
	sessions    *session.Sessions
	calls       *call.Calls
	methods     *method.Methods
	fast        *poll.Server
	tracer      *telemetry.Tracer
	helperTools bool
}

// middleware routes each request to the room that answers it. It is the one place where a
// request's sideband and generation are found: the handlers behind it see neither.
func (m *mount) middleware(next mcp.MethodHandler) mcp.MethodHandler {
	m.fast.Behind(next)
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		side, err := sideband.Of(req)
		if err != nil && !isNotification(method) { // a notification has no answer
			return nil, service.ErrGone
		}
		generation := mcpwire.GenerationOf(req)
		if side != nil && side.Batch && generation == mcpwire.CoreTasks {
			return nil, message.ErrBatch // the SDK accepts a batch that does not name its version
		}
		ctx = sideband.NewContext(ctx, &sideband.Request{Sideband: side, Generation: generation})
		switch method {
		case mcpwire.MethodDiscover:
			result, err := next(ctx, method, req)
			if discovered, ok := result.(*mcp.DiscoverResult); ok {
				advertise(discovered)
			}
			return result, err
		case mcpwire.MethodInitialize:
			return m.sessions.Initialize(ctx, next, req)
		case mcpwire.MethodTools:
			return m.sessions.ListTools(ctx, next, req)
		case mcpwire.MethodCall:
			return m.traced(ctx, method, req, func(ctx context.Context) (mcp.Result, error) { return m.calls.Answer(ctx, next, req) })
		case mcpwire.MethodListen:
			return subscription.Listen(ctx, m.service, next, req)
		case mcpwire.MethodGet, mcpwire.MethodUpdate, mcpwire.MethodCancel, mcpwire.MethodResult, mcpwire.MethodList:
			return m.traced(ctx, method, req, func(ctx context.Context) (mcp.Result, error) { return m.methods.Serve(ctx, next, method, req) })
		default:
			return next(ctx, method, req)
		}
	}
}

func isNotification(method string) bool { return strings.HasPrefix(method, "notifications/") }

// advertise adds the extension to the server's capabilities.
func advertise(discovered *mcp.DiscoverResult) {
	var capabilities mcp.ServerCapabilities
	if discovered.Capabilities != nil {
		capabilities = *discovered.Capabilities
	}
	extensions := maps.Clone(capabilities.Extensions)
	if extensions == nil {
		extensions = make(map[string]any)
	}
	extensions[mcpwire.Extension] = map[string]any{} // exactly {}: a client may reject any setting
	capabilities.Extensions = extensions
	discovered.Capabilities = &capabilities
}
