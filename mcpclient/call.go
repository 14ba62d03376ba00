package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// cancelTimeout limits the cancellation of a task after its caller's context ended.
const cancelTimeout = 5 * time.Second

const resumeHint = "Resume with the task's id goes on, from this or another session"

// CallTool calls a tool and returns its result, as [mcp.ClientSession.CallTool] does.
// It follows a call that became a task to the task's end. params are not modified.
//
// CallTool polls the task at the interval that the server asks for, within 100 ms and
// 5 minutes. It passes the task's questions to the handlers in the client's options.
// Handlers run concurrently, one for each question; CallTool does not call a second
// handler for a question while one is running. A handler's context ends when its
// question is closed, and CallTool does not wait for a handler whose answer is no
// longer needed. While the server is down CallTool tries again without a limit. It
// never repeats a tools/call that may have reached the server.
//
// When ctx ends, CallTool cancels the task, which takes at most 5 seconds, and returns
// ctx's error. If ctx ends before the server has answered the tools/call, the task is
// unknown and is not cancelled.
//
// If the task failed with a JSON-RPC error, CallTool returns that error as a call
// without a task would: a *[jsonrpc.Error] is wrapped in it. A task that somebody else
// cancelled gives [mcptasks.ErrCancelled]. CallTool also returns the error of a
// handler, the server's error when it rejects an answer, and an error for a question
// that the client has no handler for. The task then goes on waiting, its id is in the
// error, and [Session.Resume] asks again.
func (s *Session) CallTool(ctx context.Context, params *mcp.CallToolParams) (*mcp.CallToolResult, error) {
	var started *Started
	err := s.retry(ctx, 0, func(ctx context.Context) (err error) {
		started, err = s.start(ctx, params)
		return err
	})
	if err != nil {
		return nil, &mcptasks.Error{Op: "call", Err: err}
	}
	if started.Task == nil {
		return started.Result, nil
	}
	id := started.Task.ID
	task, err := s.follow(ctx, id, started.Task)
	if ctx.Err() != nil && task == nil {
		return nil, s.abandon(ctx, id)
	}
	return outcome("call", id, task, err)
}

// abandon cancels a task whose caller has gone, and returns the error of its call.
func (s *Session) abandon(ctx context.Context, id string) error {
	e := &mcptasks.Error{Op: "call", TaskID: id, Err: ctx.Err()}
	if cause := context.Cause(ctx); !errors.Is(e.Err, cause) {
		e.Err = fmt.Errorf("%w: %w", e.Err, cause)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	err := s.retry(ctx, attemptTimeout, func(ctx context.Context) error { return s.cancel(ctx, id) })
	if err != nil && !errors.Is(err, mcptasks.ErrNotFound) {
		e.Err = fmt.Errorf("%w; the task may still run, it could not be cancelled: %w", e.Err, err)
		e.Hint = resumeHint
	}
	return e
}

// Resume follows a task to its end as [Session.CallTool] does, and returns the same.
// The id may come from any session of the same client, in either protocol version.
// When ctx ends, the task goes on. An id that is unknown to the server, expired, or
// another client's gives [mcptasks.ErrNotFound].
func (s *Session) Resume(ctx context.Context, id string) (*mcp.CallToolResult, error) {
	task, err := s.follow(ctx, id, nil)
	return outcome("resume", id, task, err)
}

// outcome returns what op returns: the result of the task that has ended, or an error.
func outcome(op, id string, task *Task, err error) (*mcp.CallToolResult, error) {
	var result *mcp.CallToolResult
	if err == nil {
		result, err = task.CallToolResult()
	} else if task == nil && !errors.Is(err, mcptasks.ErrNotFound) {
		return nil, &mcptasks.Error{Op: op, TaskID: id, Err: err, Hint: resumeHint}
	}
	if err != nil {
		return nil, &mcptasks.Error{Op: op, TaskID: id, Err: err}
	}
	return result, nil
}
