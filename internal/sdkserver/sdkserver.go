// Package sdkserver makes go-sdk servers that no client is connected to, for code that
// calls the SDK's own request handling in process.
//
// It knows go-sdk only: neither this module's tools nor its tasks.
package sdkserver

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Server is an SDK server. Add tools to it with [mcp.AddTool].
type Server struct {
	*mcp.Server
	// Dispatch handles a request as the SDK does, without any middleware. The request
	// needs a session of [Server.NewSession].
	Dispatch mcp.MethodHandler
}

// New returns a server without tools.
func New() *Server {
	s := &Server{Server: mcp.NewServer(&mcp.Implementation{Name: "mcptasks"}, nil)}
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		s.Dispatch = next
		return next
	})
	return s
}

// NewSession returns a session with no client behind it. Close it when done.
func (s *Server) NewSession() (*mcp.ServerSession, error) {
	return s.Connect(context.Background(), &silent{closed: make(chan struct{})}, nil)
}

// silent is a transport that carries no message.
type silent struct {
	once   sync.Once
	closed chan struct{}
}

func (t *silent) Connect(context.Context) (mcp.Connection, error) { return t, nil }

func (t *silent) Read(context.Context) (jsonrpc.Message, error) {
	<-t.closed
	return nil, io.EOF
}

func (t *silent) Write(context.Context, jsonrpc.Message) error {
	return errors.New("the session has no client")
}

func (t *silent) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

func (t *silent) SessionID() string { return "" }
