package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Session is a client's session that follows tasks, of the Tasks extension or of
// protocol 2025-11-25, whichever its server has. A task does not belong to the session
// that started it: another session, or another process, needs only its id.
//
// A session over HTTP outlives its server's restart: when the connection broke, or the
// server no longer knows it, the methods below connect again.
//
// Errors are *[mcptasks.Error], with the task's id where there is one. They wrap the
// JSON-RPC error that the server sent: [errors.As] finds it. A server without tasks
// gives [errors.ErrUnsupported]. Safe for concurrent use.
type Session struct {
	client *Client
	redial func(context.Context) (*conn, error) // nil: the transport carries one connection

	dialing chan struct{} // holds a value while a goroutine connects again
	closed  chan struct{}
	closing sync.WaitGroup

	mu      sync.Mutex
	current *conn
}

// ClientSession returns the SDK's session on the newest connection, for everything that
// is not about tasks: lists, resources, prompts, [mcp.CallCustomMethod]. Its CallTool
// sends nothing and returns an error, since it would drop the id of a task. After the
// session has connected again, the old one's methods fail: do not keep it. Use
// [Session.Close] to close it.
func (s *Session) ClientSession() *mcp.ClientSession { return s.connection().ClientSession }

// Close closes the session as [mcp.ClientSession.Close] does. Tasks go on without it.
// Calls that follow a task return an error with the task's id.
func (s *Session) Close() error {
	s.mu.Lock()
	current := s.current
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	err := current.Close()
	s.closing.Wait()
	return err
}

// connection returns the session's newest connection.
func (s *Session) connection() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// do runs op on the session's connection, and once more on a new connection if that
// one is gone. An op that must not run twice returns a permanent error.
func (s *Session) do(ctx context.Context, op func(context.Context, *conn) error) error {
	c := s.connection()
	err := op(ctx, c)
	if !connectionGone(err) || ctx.Err() != nil {
		return err
	}
	if c, err = s.reconnect(ctx, c, err); err != nil {
		return err
	}
	return op(ctx, c)
}

// reconnect replaces a dead connection and returns the new one. Concurrent callers
// share one new connection.
func (s *Session) reconnect(ctx context.Context, dead *conn, cause error) (*conn, error) {
	if s.redial == nil {
		return nil, &permanent{fmt.Errorf("the transport carries no second connection: %w", cause)}
	}
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-s.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if current := s.connection(); current != dead {
		return current, nil
	}
	select {
	case <-s.closed:
		return nil, errClosed
	default:
	}
	fresh, err := s.redial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting again: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil, errors.Join(errClosed, fresh.Close())
	default:
	}
	s.closing.Go(func() { _ = dead.Close() }) // frees its resources; the server has forgotten it
	s.current = fresh
	return fresh, nil
}
