package mcpclient

import (
	"context"
	"errors"
	"maps"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/wire"
)

// Client is an [mcp.Client] that declares the Tasks extension on every request.
// Safe for concurrent use.
type Client struct {
	*mcp.Client
}

// NewClient returns a client; the arguments are those of [mcp.NewClient], and it
// panics where that does. opts is not modified, and may be nil. Without
// Capabilities the client declares the extension and what its handlers imply, but
// not the roots that the SDK would assume.
func NewClient(impl *mcp.Implementation, opts *mcp.ClientOptions) *Client {
	var o mcp.ClientOptions
	if opts != nil {
		o = *opts
	}
	var capabilities mcp.ClientCapabilities
	if o.Capabilities != nil {
		capabilities = *o.Capabilities
	}
	capabilities.Extensions = maps.Clone(capabilities.Extensions)
	capabilities.AddExtension(wire.Extension, nil)
	o.Capabilities = &capabilities

	client := mcp.NewClient(impl, &o)
	err := errors.Join(
		mcp.AddSendingCustomMethod[*wire.TaskParams, *wire.Task](client, wire.MethodGet),
		mcp.AddSendingCustomMethod[*wire.UpdateParams, *wire.Ack](client, wire.MethodUpdate),
		mcp.AddSendingCustomMethod[*wire.TaskParams, *wire.Ack](client, wire.MethodCancel),
	)
	if err != nil {
		panic("mcpclient: " + err.Error()) // the SDK has a method of that name: this package must be taught to use it
	}
	return &Client{Client: client}
}

// Connect opens a session over the transport, as [mcp.Client.Connect] does. Any
// transport will do. Of an [mcp.StreamableClientTransport] a copy is used, whose
// HTTP client sends every request through the transport it was given.
func (c *Client) Connect(ctx context.Context, transport mcp.Transport, opts *mcp.ClientSessionOptions) (*Session, error) {
	session, err := c.Client.Connect(ctx, listening(transport), opts)
	if err != nil {
		return nil, err
	}
	return &Session{ClientSession: session}, nil
}
