package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// Session is an [mcp.ClientSession] that keeps hold of tasks, of the Tasks
// extension or of protocol 2025-11-25, whichever its server has. A task does not
// belong to the session that started it: its id is all that another session, or
// another process, needs.
//
// A session over HTTP outlives its server's restart: when the server does not know
// it any longer, or the connection broke, the methods below connect again. The
// embedded ClientSession stays the first connection, whose methods then fail.
//
// Errors are *[mcptasks.Error], with the task's id where there is one, and a
// JSON-RPC error that the server answered with is within: [errors.As] finds it. A
// server without tasks gives [errors.ErrUnsupported]. Safe for concurrent use.
type Session struct {
	*mcp.ClientSession
	client *Client
	redial func(context.Context) (*link, error) // nil: the transport carries one connection

	dialing chan struct{} // taken by who redials
	closed  chan struct{}
	closing sync.WaitGroup

	mu   sync.Mutex
	live *link
}

// Started is a server's answer to a tools/call: either Task or Result is set.
type Started struct {
	// Task is the task that the call became, as it was at its start.
	Task *Task
	// Result is the answer of a server, or a tool, that made no task.
	Result *mcp.CallToolResult
}

// Start calls a tool and returns when the server has answered, which for a tool
// that became a task is at once: it has only begun. [Session.Resume] follows it to
// its end. In protocol 2025-11-25 each tool that may be is called as a task; to
// know them Start lists the server's tools once. With a server that has no tasks
// Start is [mcp.ClientSession.CallTool]. params are not modified.
//
// If Start returns an error the call may have reached the server all the same.
func (s *Session) Start(ctx context.Context, params *mcp.CallToolParams) (*Started, error) {
	started, err := s.start(ctx, params)
	if err != nil {
		return nil, &mcptasks.Error{Op: "start", Err: err}
	}
	return started, nil
}

func (s *Session) start(ctx context.Context, params *mcp.CallToolParams) (started *Started, err error) {
	err = s.do(ctx, func(ctx context.Context, l *link) error {
		var p mcp.CallToolParams
		if params != nil {
			p = *params
			p.Meta = maps.Clone(p.Meta) // the SDK writes to it
		}
		started, err = l.start(ctx, &p)
		return err
	})
	return started, err
}

// Get returns the task as it is now, with its result when it has one. It returns
// [mcptasks.ErrNotFound] for an id that is unknown to the server, expired, or not
// this client's.
func (s *Session) Get(ctx context.Context, id string) (*Task, error) {
	task, err := s.get(ctx, id)
	if err != nil {
		return nil, &mcptasks.Error{Op: "get", TaskID: id, Err: err}
	}
	return task, nil
}

func (s *Session) get(ctx context.Context, id string) (task *Task, err error) {
	err = s.do(ctx, func(ctx context.Context, l *link) error {
		task, err = l.get(ctx, id)
		return err
	})
	return task, err
}

// Cancel asks the server to cancel the task. The task may end otherwise before the
// server can: Get tells. To cancel a task that has ended does nothing and is no
// error. Cancel returns [mcptasks.ErrNotFound] where Get does.
func (s *Session) Cancel(ctx context.Context, id string) error {
	if err := s.cancel(ctx, id); err != nil {
		return &mcptasks.Error{Op: "cancel", TaskID: id, Err: err}
	}
	return nil
}

func (s *Session) cancel(ctx context.Context, id string) error {
	return s.do(ctx, func(ctx context.Context, l *link) error { return l.cancel(ctx, id) })
}

// Page is a part of the list of a client's tasks, without results.
type Page struct {
	Tasks []*Task
	// Next is the cursor of the page that follows, "" on the last one.
	Next string
}

// List returns the client's tasks from cursor on, "" for the first page. A cursor
// that the server refuses is [mcptasks.ErrInvalid]. Only protocol 2025-11-25 has a
// list, and there only servers that can tell their clients apart: all others give
// [errors.ErrUnsupported].
func (s *Session) List(ctx context.Context, cursor string) (*Page, error) {
	var page *Page
	err := s.do(ctx, func(ctx context.Context, l *link) (err error) {
		page, err = l.list(ctx, cursor)
		return err
	})
	if err != nil {
		return nil, &mcptasks.Error{Op: "list", Err: err}
	}
	return page, nil
}

// Close closes the session as [mcp.ClientSession.Close] does. Tasks go on without
// it; calls that follow one return an error that has its id.
func (s *Session) Close() error {
	s.mu.Lock()
	live := s.live
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	err := live.Close()
	s.closing.Wait()
	return err
}

// errClosed is what remains of a session after Close.
var errClosed = &lasting{fmt.Errorf("the session was closed: %w", mcp.ErrConnectionClosed)}

// do runs op on the session's connection, and where that turns out to be gone, on
// a new one. An op that must not run twice returns a lasting error.
func (s *Session) do(ctx context.Context, op func(context.Context, *link) error) error {
	s.mu.Lock()
	l := s.live
	s.mu.Unlock()
	err := op(ctx, l)
	if !gone(err) || ctx.Err() != nil {
		return err
	}
	if l, err = s.relink(ctx, l, err); err != nil {
		return err
	}
	return op(ctx, l)
}

// gone reports whether the error is of a connection that will not work again.
func gone(err error) bool {
	var last *lasting
	return !errors.As(err, &last) && (errors.Is(err, mcp.ErrConnectionClosed) || errors.Is(err, mcp.ErrSessionMissing))
}

// relink returns a connection in place of the dead one: a new one, unless someone
// else was faster.
func (s *Session) relink(ctx context.Context, dead *link, cause error) (*link, error) {
	if s.redial == nil {
		return nil, &lasting{fmt.Errorf("the transport carries no second connection: %w", cause)}
	}
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-s.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	live := s.live
	s.mu.Unlock()
	if live != dead {
		return live, nil
	}
	select {
	case <-s.closed:
		return nil, errClosed
	default:
	}
	live, err := s.redial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting again: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil, errors.Join(errClosed, live.Close())
	default:
	}
	s.closing.Go(func() { _ = dead.Close() }) // frees what it holds; the server has forgotten it
	s.live = live
	return live, nil
}

// isHandle reports whether the answer to a call was a task's handle of the
// extension. The SDK keeps the answer's resultType where only its encoder can see it.
func isHandle(result *mcp.CallToolResult) bool {
	bare := *result
	bare.Meta, bare.Content, bare.StructuredContent, bare.InputRequests = nil, nil, nil, nil
	data, err := json.Marshal(&bare)
	if err != nil {
		return false
	}
	return resultType(data) == resultTypeTask
}
