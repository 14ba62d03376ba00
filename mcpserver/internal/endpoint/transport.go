package endpoint

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver/internal/message"
	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// NewTransport returns a transport around another one, for stdio and the like.
func NewTransport(inner mcp.Transport) mcp.Transport { return &transport{inner} }

type transport struct{ inner mcp.Transport }

// SupportsProtocolVersion implements [mcp.ProtocolVersionSupporter] as the inner
// transport does.
func (t *transport) SupportsProtocolVersion(version string) bool {
	if inner, ok := t.inner.(mcp.ProtocolVersionSupporter); ok {
		return inner.SupportsProtocolVersion(version)
	}
	return slices.Contains(mcp.SupportedProtocolVersions(), version)
}

// Connect implements [mcp.Transport].
func (t *transport) Connect(ctx context.Context) (mcp.Connection, error) {
	inner, err := t.inner.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &connection{Connection: inner, stream: pushstream.New(ctx), numbers: make(map[jsonrpc.ID]string)}
	c.stream.Open(c.write)
	return c, nil
}

type connection struct {
	mcp.Connection
	stream *pushstream.Stream

	mu      sync.Mutex
	numbers map[jsonrpc.ID]string // of the sidebands of requests in progress
}

// Read implements [mcp.Connection]. It answers by itself the requests
// that must not reach the SDK.
func (c *connection) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		read, err := c.Connection.Read(ctx)
		if err != nil {
			c.stream.End()
			return nil, err
		}
		req, ok := read.(*jsonrpc.Request)
		if !ok || !req.IsCall() {
			return read, nil
		}
		m, rejection := message.FromRequest(req)
		if rejection == nil {
			rejection = m.Check(nil)
		}
		if rejection != nil {
			if err := c.Connection.Write(ctx, &jsonrpc.Response{ID: req.ID, Error: rejection}); err != nil {
				return nil, err
			}
			continue
		}
		if m.LacksParams() {
			req.Params = []byte(`{}`)
		}
		c.addSideband(req, m)
		return req, nil
	}
}

// addSideband gives the request its sideband until it is answered. The SDK rejects a
// request whose id is in use.
func (c *connection) addSideband(req *jsonrpc.Request, m *message.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, inUse := c.numbers[req.ID]; inUse {
		return
	}
	side := &sideband.Sideband{
		Client: c.stream.Context(),
		Stream: func() *pushstream.Stream { return c.stream },
		Notify: c.stream.Notify,
	}
	m.Fill(side)
	number := side.Register()
	c.numbers[req.ID] = number

	extra := &mcp.RequestExtra{}
	if given, ok := req.Extra.(*mcp.RequestExtra); ok && given != nil {
		*extra = *given
	}
	if extra.Header = extra.Header.Clone(); extra.Header == nil {
		extra.Header = make(http.Header)
	}
	sideband.SetTransport(extra.Header, number)
	req.Extra = extra
}

// Write implements [mcp.Connection].
func (c *connection) Write(ctx context.Context, msg jsonrpc.Message) error {
	if response, ok := msg.(*jsonrpc.Response); ok {
		c.mu.Lock()
		if number, ok := c.numbers[response.ID]; ok {
			sideband.Forget(number)
			delete(c.numbers, response.ID)
		}
		c.mu.Unlock()
	}
	return c.Connection.Write(ctx, msg)
}

// write sends a message that the SDK has no method for.
func (c *connection) write(data []byte) error {
	decoded, err := jsonrpc.DecodeMessage(data)
	if err != nil {
		return err
	}
	return c.Connection.Write(c.stream.Context(), decoded)
}

// Close implements [mcp.Connection].
func (c *connection) Close() error {
	c.stream.End()
	c.mu.Lock()
	for _, number := range c.numbers {
		sideband.Forget(number)
	}
	clear(c.numbers)
	c.mu.Unlock()
	return c.Connection.Close()
}
