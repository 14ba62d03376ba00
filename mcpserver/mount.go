// Package mcpserver serves durable tools on a go-sdk server, to clients of both of MCP's
// task protocols: the Tasks extension (SEP-2663, protocol 2026-07-28) and the tasks of
// protocol 2025-11-25. Each request is answered in its own.
//
// The package has what a program calls: [Mount], [NewHandler], [NewTransport]. The work is
// done in the packages below it, where each knows one thing: endpoint (HTTP and stdio),
// message, sideband, pushstream, session (2025-11-25), subscription and method, call,
// helper. None knows how tasks are stored: they call an [mcptasks.Runner].
package mcpserver

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/fastpath/poll"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/mcpserver/internal/call"
	"github.com/mcptasks/mcptasks/mcpserver/internal/helper"
	"github.com/mcptasks/mcptasks/mcpserver/internal/method"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/session"
	"github.com/mcptasks/mcptasks/mcpserver/internal/subscription"
)

// Mount adds the tools to the server, with the methods tasks/* and the extension's
// capability. The runner keeps the tasks. Call it after the server's own middleware is
// added and before the server serves: Mount's middleware must be outermost. It panics if
// the SDK has come to have a method tasks/* itself.
//
// The tasks of 2025-11-25, and subscriptions to tasks, need what the SDK drops of
// requests. They are offered by servers that [NewHandler] serves, or that are connected
// by a transport of [NewTransport]. A client is offered tasks/list only if it has an owner.
func Mount(server *mcp.Server, tools *mcptasks.Tools, runner mcptasks.Runner, opts *Options) {
	options := opts.withDefaults()
	svc := &service.Service{Runner: runner, Tools: tools, Log: options.Logger, OwnerFunc: options.Owner}
	sessions := session.New(svc)
	fast := poll.Register(server, svc)
	m := &mount{
		service:  svc,
		sessions: sessions,
		calls: call.New(svc, sessions, call.Options{
			PlainWait: options.PlainWait, HelperTools: options.HelperTools, IdempotencyMetaKey: options.IdempotencyMetaKey,
		}),
		methods:     &method.Methods{Service: svc, Sessions: sessions, FastPath: fast},
		fast:        fast,
		tracer:      telemetry.NewTracer(options.TracerProvider),
		helperTools: options.HelperTools,
	}
	for _, tool := range tools.All() {
		if tool.Options.TaskSupport == mcptasks.TaskForbidden {
			tools.Internal().Mount(server, tool.Name, nil)
		} else {
			tools.Internal().Mount(server, tool.Name, m.calls.Create)
		}
	}
	if options.HelperTools {
		helper.Add(server, svc, m.calls)
	}
	m.methods.Register(server)
	server.AddReceivingMiddleware(m.middleware)
	server.AddSendingMiddleware(subscription.Sending)
}
