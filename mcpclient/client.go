package mcpclient

import (
	"context"
	"errors"
	"maps"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// Client is an [mcp.Client] that declares the Tasks extension on every request. A
// session of the embedded client's own Connect cannot call tools: see
// [Session.ClientSession]. Safe for concurrent use.
type Client struct {
	*mcp.Client

	onTask   func(context.Context, *Task)
	dispatch mcp.MethodHandler // the SDK's, to the handlers of the options
}

// ClientOptions are the SDK's options, and those for tasks.
type ClientOptions struct {
	mcp.ClientOptions

	// OnTask is called with each state of a task that [Session.CallTool] and
	// [Session.Resume] see, in order: after each poll, even if nothing has changed, and
	// last with the task that has ended. They wait for it to return. ctx is the call's
	// or derives from it. Calls that follow tasks concurrently call OnTask
	// concurrently. Defaults to none.
	OnTask func(ctx context.Context, task *Task)
}

// NewClient returns a client; it panics where [mcp.NewClient] does. opts is not
// modified, and may be nil. Without Capabilities the client declares the extension and
// what its handlers imply. It does not declare roots, which the SDK would do.
func NewClient(impl *mcp.Implementation, opts *ClientOptions) *Client {
	var o ClientOptions
	if opts != nil {
		o = *opts
	}
	var capabilities mcp.ClientCapabilities
	if o.Capabilities != nil {
		capabilities = *o.Capabilities
	}
	capabilities.Extensions = maps.Clone(capabilities.Extensions)
	capabilities.AddExtension(mcpwire.Extension, nil)
	o.Capabilities = &capabilities

	client := &Client{Client: mcp.NewClient(impl, &o.ClientOptions), onTask: o.OnTask}
	err := errors.Join(
		mcp.AddSendingCustomMethod[*mcpwire.TaskParams, *raw](client.Client, mcpwire.MethodGet),
		mcp.AddSendingCustomMethod[*mcpwire.UpdateParams, *raw](client.Client, mcpwire.MethodUpdate),
		mcp.AddSendingCustomMethod[*mcpwire.TaskParams, *raw](client.Client, mcpwire.MethodCancel),
		mcp.AddSendingCustomMethod[*mcpwire.TaskParams, *raw](client.Client, mcpwire.MethodResult),
		mcp.AddSendingCustomMethod[*mcpwire.ListParams, *raw](client.Client, mcpwire.MethodList),
	)
	if err != nil {
		panic("mcpclient: " + err.Error()) // the SDK has a method of that name: this package must be changed to use it
	}
	client.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		client.dispatch = next
		return next
	})
	client.AddSendingMiddleware(rejectUnfollowedCalls)
	return client
}

// Connect opens a session over the transport, as [mcp.Client.Connect] does. It accepts
// any transport. It copies an [mcp.StreamableClientTransport]; the copy sends every
// request through the original's HTTP client, and the session connects again when the
// server has forgotten it.
func (c *Client) Connect(ctx context.Context, transport mcp.Transport, opts *mcp.ClientSessionOptions) (*Session, error) {
	first, err := c.dial(ctx, transport, opts)
	if err != nil {
		return nil, err
	}
	session := &Session{
		client:  c,
		current: first,
		dialing: make(chan struct{}, 1),
		closed:  make(chan struct{}),
	}
	if _, ok := transport.(*mcp.StreamableClientTransport); ok {
		session.redial = func(ctx context.Context) (*conn, error) { return c.redial(ctx, transport, first.version()) }
	}
	return session, nil
}
