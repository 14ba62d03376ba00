package session

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Result answers tasks/result: when the task has ended, with what the call would have
// been answered with. Meanwhile its stream carries the task's questions. The wait ends
// early with the client or its session. The task goes on then, and may be asked for again.
func (s *Sessions) Result(ctx context.Context, client *mcp.ServerSession, params *mcpwire.TaskParams) (mcp.Result, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	req := sideband.FromContext(ctx)
	if gone := req.ClientContext(); gone != nil {
		defer context.AfterFunc(gone, stop)()
	}
	session := s.Of(ctx, client)
	if session != nil {
		defer context.AfterFunc(session.stream.Context(), stop)()
		defer session.Waits(req.Owner, params.TaskID)()
	}
	for task, err := range s.service.Watch(waiting, req.Owner, params.TaskID) {
		switch {
		case err != nil && waiting.Err() != nil:
			return nil, service.ErrGone
		case err != nil:
			return nil, s.service.Error(ctx, err)
		}
		if session != nil {
			session.Withdraw(task)
			session.Ask(ctx, req.Owner, task, nil)
		}
		if task.Status.Terminal() {
			return s.result(ctx, task)
		}
	}
	return nil, service.ErrGone
}

func (s *Sessions) result(ctx context.Context, task *mcptasks.Task) (mcp.Result, error) {
	switch o := task.Outcome; {
	case o == nil:
		// The specification does not say what to answer: there is no result, and never will be.
		return nil, mcpwire.InvalidParams("the task was cancelled")
	case o.Error != nil:
		return nil, o.Error
	default:
		answer, err := mcpwire.NewTaskResult(task.ID, o.Result)
		if err != nil {
			return nil, s.service.Error(ctx, &mcptasks.Error{Op: "result", TaskID: task.ID, Err: errors.New("the stored result is not a tool result"), Hint: err.Error()})
		}
		return answer, nil
	}
}
