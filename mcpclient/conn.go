package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// A conn is one connection to the server. A session replaces a lost one by another.
type conn struct {
	*mcp.ClientSession
	tasks *coreCapability // nil: the server has no tasks of 2025-11-25

	mu     sync.Mutex
	asTask map[string]bool // by tool: whether 2025-11-25 calls it as a task
}

// dial opens a connection. It captures the initialize result, whose capability for
// tasks the SDK drops.
func (c *Client) dial(ctx context.Context, transport mcp.Transport, opts *mcp.ClientSessionOptions) (*conn, error) {
	captured := &capture{method: mcpwire.MethodInitialize}
	session, err := c.Client.Connect(withCapture(ctx, captured), tapTransport(transport), opts)
	if err != nil {
		return nil, captured.explain(err)
	}
	return &conn{ClientSession: session, tasks: newCoreCapability(captured.consume()), asTask: make(map[string]bool)}, nil
}

// redial opens a connection of the same protocol version. A server that is starting
// may fail the SDK's first request, and the SDK then takes it for an older server.
func (c *Client) redial(ctx context.Context, transport mcp.Transport, version string) (*conn, error) {
	fresh, err := c.dial(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return nil, err
	}
	if fresh.version() != version {
		err := fmt.Errorf("the server came back with protocol %s, not %s", fresh.version(), version)
		return nil, errors.Join(err, fresh.Close())
	}
	return fresh, nil
}

func (c *conn) version() string { return c.InitializeResult().ProtocolVersion }

// A generation is one of MCP's two task protocols.
type generation int

const (
	none generation = iota
	core
	extension
)

// generation returns the generation that the connection speaks, or
// [errors.ErrUnsupported] if the server has no tasks.
func (c *conn) generation() (generation, error) {
	switch version := c.version(); {
	case version >= mcpwire.ExtensionVersion:
		return extension, nil
	case version >= mcpwire.CoreVersion && c.tasks != nil:
		return core, nil
	case version >= mcpwire.CoreVersion:
		return none, fmt.Errorf("%w: the server has no tasks in protocol %s", errors.ErrUnsupported, version)
	default:
		return none, fmt.Errorf("%w: the server speaks protocol %s, and tasks need %s", errors.ErrUnsupported, version, mcpwire.CoreVersion)
	}
}
