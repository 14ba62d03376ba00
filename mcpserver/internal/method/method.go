// Package method answers the tasks/* methods, in the generation of the protocol of each
// request. tasks/result, which waits, is in package session.
package method

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/fastpath/poll"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/session"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Methods answers the tasks/* methods of a server. Safe for concurrent use.
type Methods struct {
	Service  *service.Service
	Sessions *session.Sessions
	FastPath *poll.Server
}

// Register registers the methods with the server. It panics if the SDK has come to have
// one of them itself.
func (m *Methods) Register(server *mcp.Server) {
	for _, err := range []error{
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodGet, m.get),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodUpdate, m.update),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodCancel, m.cancel),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodResult, m.Sessions.Result),
		mcp.AddReceivingCustomMethod(server, mcpwire.MethodList, m.list),
	} {
		if err != nil {
			panic("mcptasks: Mount: " + err.Error())
		}
	}
}

// Serve passes on a tasks/* request that its generation has, if it has params, and notes
// its owner.
func (m *Methods) Serve(ctx context.Context, next mcp.MethodHandler, method string, req mcp.Request) (mcp.Result, error) {
	request := sideband.FromContext(ctx)
	if !request.Generation.Has(method) {
		return nil, mcpwire.MethodNotFound(method)
	}
	if !mcpwire.HasParams(req) && method != mcpwire.MethodList {
		return nil, mcpwire.InvalidParams(`"params" is missing or not an object`)
	}
	if request.Generation == mcpwire.TasksExtension {
		declares := mcpwire.Declares(req)
		if request.Sideband != nil && request.IsPoll {
			m.FastPath.Remember(req, request.ClientInfo, request.Capabilities, declares)
		}
		if !declares {
			return nil, mcpwire.MissingCapability()
		}
	}
	var err error
	if request.Owner, err = m.Service.Owner(ctx, req); err != nil {
		return nil, err
	}
	if method == mcpwire.MethodList && !service.MayList(request.Owner) {
		return nil, mcpwire.MethodNotFound(method)
	}
	return next(ctx, method, req)
}

// get answers tasks/get: in the extension with the whole task, its result or error
// included, and in 2025-11-25 with its status.
func (m *Methods) get(ctx context.Context, client *mcp.ServerSession, params *mcpwire.TaskParams) (mcp.Result, error) {
	owner := sideband.FromContext(ctx).Owner
	task, err := m.Service.Get(ctx, owner, params.TaskID)
	if err != nil {
		return nil, m.Service.Error(ctx, err)
	}
	if err := service.CheckResult(task); err != nil {
		return nil, m.Service.Error(ctx, &mcptasks.Error{Op: "get", TaskID: task.ID, Err: err})
	}
	if sideband.FromContext(ctx).Generation == mcpwire.CoreTasks {
		m.follow(ctx, client, task)
		return mcpwire.NewCoreTask(task), nil
	}
	return m.FastPath.Observe(mcpwire.Detailed(task)), nil
}

func (m *Methods) follow(ctx context.Context, client *mcp.ServerSession, task *mcptasks.Task) {
	if s := m.Sessions.Of(ctx, client); s != nil {
		s.Follow(sideband.FromContext(ctx).Owner, task, false)
	}
}

// update stores answers to open questions; other keys are ignored.
func (m *Methods) update(ctx context.Context, _ *mcp.ServerSession, params *mcpwire.UpdateParams) (*mcpwire.Ack, error) {
	if err := m.Service.Answer(ctx, sideband.FromContext(ctx).Owner, params.TaskID, params.InputResponses); err != nil {
		return nil, m.Service.Error(ctx, err)
	}
	return mcpwire.NewAck(), nil
}

// cancel acknowledges in the extension, also for a task that has ended: cancel is
// idempotent there. In 2025-11-25 it answers with the cancelled task, and with an error if
// the task has ended.
func (m *Methods) cancel(ctx context.Context, client *mcp.ServerSession, params *mcpwire.TaskParams) (mcp.Result, error) {
	task, err := m.Service.Cancel(ctx, sideband.FromContext(ctx).Owner, params.TaskID)
	switch g := sideband.FromContext(ctx).Generation; {
	case errors.Is(err, mcptasks.ErrTerminal) && g == mcpwire.CoreTasks:
		return nil, mcpwire.InvalidParams(mcptasks.ErrTerminal.Error())
	case err != nil && !errors.Is(err, mcptasks.ErrTerminal):
		return nil, m.Service.Error(ctx, err)
	case g == mcpwire.CoreTasks:
		m.follow(ctx, client, task) // which withdraws its questions: it has ended
		return mcpwire.NewCoreTask(task), nil
	default:
		return mcpwire.NewAck(), nil
	}
}

// list answers tasks/list with a page of the owner's tasks.
func (m *Methods) list(ctx context.Context, _ *mcp.ServerSession, params *mcpwire.ListParams) (*mcpwire.CoreList, error) {
	cursor := ""
	if params != nil {
		cursor = params.Cursor
	}
	page, err := m.Service.List(ctx, sideband.FromContext(ctx).Owner, cursor, 0)
	if err != nil {
		return nil, m.Service.Error(ctx, err)
	}
	return mcpwire.NewCoreList(page), nil
}
