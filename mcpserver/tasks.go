package mcpserver

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// serveTasks lets through the tasks/* requests that their generation has, with params,
// and puts their generation and owner into the context.
func (m *mount) serveTasks(ctx context.Context, next mcp.MethodHandler, method string, req mcp.Request) (mcp.Result, error) {
	g := generation(req)
	if !g.has(method) {
		return nil, methodNotFound(method)
	}
	if !hasParams(req) && method != mcpwire.MethodList {
		return nil, invalidParams(`"params" is missing or no object`)
	}
	if g == extension {
		knows := declares(req)
		if method == mcpwire.MethodGet {
			m.polls.meet(contextCarrier(ctx), req, knows)
		}
		if !knows {
			return nil, missingCapability()
		}
	}
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, err
	}
	if method == mcpwire.MethodList && !mayList(owner) {
		return nil, methodNotFound(method)
	}
	return next(context.WithValue(context.WithValue(ctx, ownerKey{}, owner), generationKey{}, g), method, req)
}

// get answers tasks/get: with the whole task, its result or error included, in the
// extension; with where it stands in 2025-11-25.
func (m *mount) get(ctx context.Context, session *mcp.ServerSession, params *mcpwire.TaskParams) (mcp.Result, error) {
	owner := contextOwner(ctx)
	task, err := m.runner.Get(ctx, owner, params.TaskID)
	if err != nil {
		return nil, m.rpcError(ctx, err)
	}
	if err := readable(task); err != nil {
		return nil, m.rpcError(ctx, &mcptasks.Error{Op: "get", TaskID: task.ID, Err: err})
	}
	if contextGeneration(ctx) == core {
		m.follow(ctx, session, owner, task, false)
		return mcpwire.NewCoreTask(task), nil
	}
	return m.polls.introduce(mcpwire.Detailed(task)), nil
}

// readable returns an error for a task whose result the SDK could not send: it would
// not answer at all.
func readable(task *mcptasks.Task) error {
	if o := task.Outcome; o != nil && o.Error == nil && !json.Valid(o.Result) {
		return errors.New("the stored result is not JSON")
	}
	return nil
}

// update stores answers to open questions; other keys are ignored.
func (m *mount) update(ctx context.Context, _ *mcp.ServerSession, params *mcpwire.UpdateParams) (*mcpwire.Ack, error) {
	if err := m.runner.Answer(ctx, contextOwner(ctx), params.TaskID, params.InputResponses); err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return mcpwire.NewAck(), nil
}

// cancel acknowledges in the extension, also for a task that has ended: its cancel is
// idempotent. In 2025-11-25 it answers with the cancelled task, and to one that has
// ended with an error.
func (m *mount) cancel(ctx context.Context, session *mcp.ServerSession, params *mcpwire.TaskParams) (mcp.Result, error) {
	task, err := m.runner.Cancel(ctx, contextOwner(ctx), params.TaskID)
	switch g := contextGeneration(ctx); {
	case errors.Is(err, mcptasks.ErrTerminal) && g == core:
		return nil, invalidParams(mcptasks.ErrTerminal.Error())
	case err != nil && !errors.Is(err, mcptasks.ErrTerminal):
		return nil, m.rpcError(ctx, err)
	case g == core:
		m.follow(ctx, session, contextOwner(ctx), task, false) // no more: it has ended
		return mcpwire.NewCoreTask(task), nil
	default:
		return mcpwire.NewAck(), nil
	}
}

// list answers tasks/list with a page of the owner's tasks.
func (m *mount) list(ctx context.Context, _ *mcp.ServerSession, params *mcpwire.ListParams) (*mcpwire.CoreList, error) {
	cursor := ""
	if params != nil {
		cursor = params.Cursor
	}
	page, err := m.runner.List(ctx, contextOwner(ctx), cursor, 0)
	if err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return mcpwire.NewCoreList(page), nil
}

// rpcError is what a client is told of an error: what it can act on, in words that
// are the same for every task it may not see, and otherwise only that there was
// one. The log has the rest.
func (m *mount) rpcError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, mcptasks.ErrNotFound):
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: mcptasks.ErrNotFound.Error()}
	case errors.Is(err, mcptasks.ErrInvalid), errors.Is(err, mcptasks.ErrLimit):
		var ours *mcptasks.Error
		if errors.As(err, &ours) {
			err = ours.Err
		}
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: err.Error()}
	default:
		if ctx.Err() == nil {
			m.opts.Logger.ErrorContext(ctx, "mcptasks: a request failed", "error", err)
		}
		return internalError
	}
}

var internalError = &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
