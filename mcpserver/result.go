package mcpserver

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// result answers tasks/result, once the task has ended, with what the call would
// have been answered with. Meanwhile its stream carries the task's questions. The wait
// ends early with the client or its session; the task goes on, and may be asked for again.
func (m *mount) result(ctx context.Context, session *mcp.ServerSession, params *mcpwire.TaskParams) (mcp.Result, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	if client, ok := ctx.Value(clientKey{}).(context.Context); ok {
		defer context.AfterFunc(client, stop)()
	}
	owner, asker := contextOwner(ctx), m.asker(ctx, session)
	if asker != nil {
		defer context.AfterFunc(asker.line.ctx, stop)()
		defer asker.waits(owner, params.TaskID)()
	}
	for task, err := range m.runner.Watch(waiting, owner, params.TaskID) {
		switch {
		case err != nil && waiting.Err() != nil:
			return nil, errWaitEnded
		case err != nil:
			return nil, m.rpcError(ctx, err)
		}
		if asker != nil {
			asker.withdraw(task)
			asker.ask(ctx, owner, task, nil)
		}
		if task.Status.Terminal() {
			return m.callAnswer(ctx, task)
		}
	}
	return nil, errWaitEnded
}

// errWaitEnded is for a client that has gone, if it should hear it after all.
var errWaitEnded = &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the wait was ended; ask again"}

func (m *mount) callAnswer(ctx context.Context, task *mcptasks.Task) (mcp.Result, error) {
	switch o := task.Outcome; {
	case o == nil:
		// The specification names no answer: there is no result, and never will be.
		return nil, invalidParams("the task was cancelled")
	case o.Error != nil:
		return nil, o.Error
	default:
		answer, err := mcpwire.NewTaskResult(task.ID, o.Result)
		if err != nil {
			return nil, m.rpcError(ctx, &mcptasks.Error{Op: "result", TaskID: task.ID, Err: errors.New("the stored result is not one"), Hint: err.Error()})
		}
		return answer, nil
	}
}
