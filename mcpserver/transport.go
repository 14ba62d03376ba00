package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// NewTransport wraps a transport of a server with mounted tools, such as
// [mcp.StdioTransport], and does for it what NewHandler does for HTTP: 2025-11-25
// clients may ask for tasks, and 2026-07-28 clients may subscribe to them. What waits
// on the connection, a tasks/result say, ends with the context that the server is
// connected or run with, so that the server can.
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
	c := &connection{Connection: inner, line: newLine(ctx, ""), numbers: make(map[jsonrpc.ID]string)}
	c.line.connect(c.write)
	return c, nil
}

type connection struct {
	mcp.Connection
	line *line

	mu      sync.Mutex
	numbers map[jsonrpc.ID]string // of the carriers of requests in progress
}

// Read implements [mcp.Connection]. It answers itself what must not reach the SDK.
func (c *connection) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		read, err := c.Connection.Read(ctx)
		if err != nil {
			c.line.end()
			return nil, err
		}
		req, ok := read.(*jsonrpc.Request)
		if !ok || !req.IsCall() {
			return read, nil
		}
		m := message{method: req.Method, members: map[string]json.RawMessage{"params": req.Params}}
		m.id, _ = json.Marshal(req.ID.Raw())
		if refusal := first(m.readParams, func() *jsonrpc.Error { return m.refuse(nil) }); refusal != nil {
			if err := c.Connection.Write(ctx, &jsonrpc.Response{ID: req.ID, Error: refusal}); err != nil {
				return nil, err
			}
			continue
		}
		if m.lacksParams() {
			req.Params = json.RawMessage(`{}`)
		}
		c.carry(req, &m)
		return req, nil
	}
}

// carry gives the request its carrier, until it is answered. The SDK refuses a
// request whose id is in use.
func (c *connection) carry(req *jsonrpc.Request, m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, inUse := c.numbers[req.ID]; inUse {
		return
	}
	brought := &carrier{client: c.line.ctx, line: func() *line { return c.line }, notify: c.line.notify}
	m.fill(brought)
	number := brought.put()
	c.numbers[req.ID] = number

	extra := &mcp.RequestExtra{}
	if given, ok := req.Extra.(*mcp.RequestExtra); ok && given != nil {
		*extra = *given
	}
	if extra.Header = extra.Header.Clone(); extra.Header == nil {
		extra.Header = make(http.Header)
	}
	setCarrier(extra.Header, number, "")
	req.Extra = extra
}

// Write implements [mcp.Connection].
func (c *connection) Write(ctx context.Context, message jsonrpc.Message) error {
	if response, ok := message.(*jsonrpc.Response); ok {
		c.mu.Lock()
		if number, ok := c.numbers[response.ID]; ok {
			carriers.Delete(number)
			delete(c.numbers, response.ID)
		}
		c.mu.Unlock()
	}
	return c.Connection.Write(ctx, message)
}

// write sends a message that the SDK does not know.
func (c *connection) write(message []byte) error {
	decoded, err := jsonrpc.DecodeMessage(message)
	if err != nil {
		return err
	}
	return c.Connection.Write(c.line.ctx, decoded)
}

// Close implements [mcp.Connection].
func (c *connection) Close() error {
	c.line.end()
	c.mu.Lock()
	for _, number := range c.numbers {
		carriers.Delete(number)
	}
	clear(c.numbers)
	c.mu.Unlock()
	return c.Connection.Close()
}
