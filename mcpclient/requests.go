package mcpclient

import (
	"context"
	"maps"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// Started is a server's answer to a tools/call: either Task or Result is set.
type Started struct {
	// Task is the task that the call became, in its first state.
	Task *Task
	// Result is the tool's result, if the server made no task of the call.
	Result *mcp.CallToolResult
}

// Start calls a tool and returns when the server has answered. A call that became a
// task has then only begun: [Session.Resume] follows it to its end. In protocol
// 2025-11-25 Start makes a task of each call that may be one; to know which, it lists
// the server's tools once. A server without tasks answers with a Result. params are
// not modified.
//
// If Start returns an error, the call may still have reached the server.
func (s *Session) Start(ctx context.Context, params *mcp.CallToolParams) (*Started, error) {
	started, err := s.start(ctx, params)
	if err != nil {
		return nil, &mcptasks.Error{Op: "start", Err: err}
	}
	return started, nil
}

func (s *Session) start(ctx context.Context, params *mcp.CallToolParams) (started *Started, err error) {
	err = s.do(ctx, func(ctx context.Context, c *conn) error {
		var p mcp.CallToolParams
		if params != nil {
			p = *params
			p.Meta = maps.Clone(p.Meta) // the SDK writes to it
		}
		started, err = c.start(ctx, &p)
		return err
	})
	return started, err
}

// Get returns the task as it is now, with its result if it has one. It returns
// [mcptasks.ErrNotFound] for an id that is unknown to the server, expired, or another
// client's.
func (s *Session) Get(ctx context.Context, id string) (*Task, error) {
	task, err := s.get(ctx, id)
	if err != nil {
		return nil, &mcptasks.Error{Op: "get", TaskID: id, Err: err}
	}
	return task, nil
}

func (s *Session) get(ctx context.Context, id string) (task *Task, err error) {
	err = s.do(ctx, func(ctx context.Context, c *conn) error {
		task, err = c.get(ctx, id)
		return err
	})
	return task, err
}

// Cancel asks the server to cancel the task. The task may still end in another way:
// Get tells how. Cancelling a task that has ended does nothing and is no error. Cancel
// returns [mcptasks.ErrNotFound] where Get does.
func (s *Session) Cancel(ctx context.Context, id string) error {
	if err := s.cancel(ctx, id); err != nil {
		return &mcptasks.Error{Op: "cancel", TaskID: id, Err: err}
	}
	return nil
}

func (s *Session) cancel(ctx context.Context, id string) error {
	return s.do(ctx, func(ctx context.Context, c *conn) error { return c.cancel(ctx, id) })
}

// Page is a part of the list of a client's tasks. Its tasks have no results.
type Page struct {
	Tasks []*Task
	// Next is the cursor of the next page, "" on the last page.
	Next string
}

// List returns the client's tasks from cursor on; "" starts with the first page. A
// cursor that the server rejects gives [mcptasks.ErrInvalid]. Only protocol 2025-11-25
// has a list, and only on servers that can tell their clients apart. All others give
// [errors.ErrUnsupported].
func (s *Session) List(ctx context.Context, cursor string) (*Page, error) {
	var page *Page
	err := s.do(ctx, func(ctx context.Context, c *conn) (err error) {
		page, err = c.list(ctx, cursor)
		return err
	})
	if err != nil {
		return nil, &mcptasks.Error{Op: "list", Err: err}
	}
	return page, nil
}
