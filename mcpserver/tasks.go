package mcpserver

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/wire"
)

// The middleware has let through only requests of the extension, with params, and
// has put their owner into the context.

// get answers tasks/get with the whole task, its result or error included.
func (m *mount) get(ctx context.Context, _ *mcp.ServerSession, params *wire.TaskParams) (*wire.Task, error) {
	task, err := m.runner.Get(ctx, contextOwner(ctx), params.TaskID)
	if err != nil {
		return nil, m.rpcError(ctx, err)
	}
	if o := task.Outcome; o != nil && o.Error == nil && !json.Valid(o.Result) { // the SDK would never answer
		return nil, m.rpcError(ctx, &mcptasks.Error{Op: "get", TaskID: task.ID, Err: errors.New("the stored result is not JSON")})
	}
	return wire.Detailed(task), nil
}

// update acknowledges answers; keys that nothing waits under are ignored.
func (m *mount) update(ctx context.Context, _ *mcp.ServerSession, params *wire.UpdateParams) (*wire.Ack, error) {
	if err := m.runner.Update(ctx, contextOwner(ctx), params.TaskID, params.InputResponses); err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return wire.NewAck(), nil
}

// cancel acknowledges, also for a task that has ended: the extension's cancel is
// idempotent.
func (m *mount) cancel(ctx context.Context, _ *mcp.ServerSession, params *wire.TaskParams) (*wire.Ack, error) {
	_, err := m.runner.Cancel(ctx, contextOwner(ctx), params.TaskID)
	if err != nil && !errors.Is(err, mcptasks.ErrTerminal) {
		return nil, m.rpcError(ctx, err)
	}
	return wire.NewAck(), nil
}

// rpcError is what a client is told of an error: what it can act on, in words that
// are the same for every task it may not see, and otherwise only that there was
// one. The log has the rest.
func (m *mount) rpcError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, mcptasks.ErrNotFound):
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: mcptasks.ErrNotFound.Error()}
	case errors.Is(err, mcptasks.ErrInvalid):
		var ours *mcptasks.Error
		if errors.As(err, &ours) {
			err = ours.Err
		}
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: err.Error()}
	default:
		if ctx.Err() == nil {
			m.opts.Logger.ErrorContext(ctx, "mcptasks: a request failed", "error", err)
		}
		return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
	}
}
