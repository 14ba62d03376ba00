package mcpserver

import (
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/fastpath/poll"
	"github.com/mcptasks/mcptasks/mcpserver/internal/endpoint"
)

// HandlerOptions describe an endpoint. Nil works.
type HandlerOptions struct {
	// StreamableHTTP is passed on to the SDK's handlers. Stateless is set as the protocol
	// version of the request demands, whatever its value here. SessionTimeout defaults to
	// 24 hours. With an EventStore a session's client may resume a stream that broke: a
	// request that waits, such as tasks/result, then goes on without its client until the
	// session ends.
	StreamableHTTP mcp.StreamableHTTPOptions

	// PollsThroughSDK is for programs whose receiving middleware must see tasks/get.
	// Otherwise NewHandler answers the ordinary ones of 2026-07-28 itself, with the same
	// bytes and without the SDK's work, once the SDK has answered one of that client's.
	// Polls of a server that had receiving middleware when tools were mounted always go
	// through it. Middleware that is added after Mount is not noticed. Defaults to false.
	PollsThroughSDK bool
}

// NewHandler returns a Streamable HTTP endpoint for servers with mounted tools, as
// [mcp.NewStreamableHTTPHandler] does for others. It serves the protocol versions that
// have sessions and those that have none. It answers on its own a request of 2026-07-28
// or later, and one that belongs to no session and does not begin one. A 2025-11-25
// client has its tasks in a session, which lives in this process. The tasks themselves do
// not: the client finds them again from another process.
//
// The handler checks what the SDK does not know of tasks/* requests: that params are
// there, and that the Mcp-Name header is the task's id (-32020 and HTTP 400 otherwise). It
// rejects a body that two readers could read differently, with a member twice for
// instance. It rejects a body longer than MaxRequestBodyBytes of
// [mcp.StreamableHTTPOptions], 4 MiB by default, with HTTP 413. It keeps what the SDK
// drops, so that 2025-11-25 clients may ask for tasks and 2026-07-28 clients may subscribe
// to them.
func NewHandler(getServer func(*http.Request) *mcp.Server, opts *HandlerOptions) http.Handler {
	if opts == nil {
		opts = &HandlerOptions{}
	}
	options := opts.StreamableHTTP
	if options.MaxRequestBodyBytes == 0 {
		options.MaxRequestBodyBytes = mcp.DefaultMaxRequestBodyBytes
	}
	if options.SessionTimeout == 0 {
		options.SessionTimeout = 24 * time.Hour
	}
	if opts.PollsThroughSDK {
		return endpoint.New(getServer, options, nil)
	}
	return endpoint.New(getServer, options, poll.New(getServer, options))
}

// NewTransport wraps a transport of a server with mounted tools, such as
// [mcp.StdioTransport], and does for it what NewHandler does for HTTP: 2025-11-25 clients
// may ask for tasks, and 2026-07-28 clients may subscribe to them. A request that waits on
// the connection, such as tasks/result, ends with the context that the server is connected
// or run with, so that the server can end.
func NewTransport(inner mcp.Transport) mcp.Transport { return endpoint.NewTransport(inner) }
