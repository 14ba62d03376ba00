package mcpserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/wire"
)

// call answers tools/call. For a durable tool the SDK checks the arguments and
// calls create in place of the handler; what create made comes back through the
// SDK as a tool's error and is replaced by the handle, or by the task's result.
func (m *mount) call(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (result mcp.Result, err error) {
	params, ok := req.GetParams().(*mcp.CallToolParamsRaw)
	if !ok || params == nil {
		return next(ctx, wire.MethodCall, req)
	}
	tool, ours := m.tools.Get(params.Name)
	if !ours {
		return next(ctx, wire.MethodCall, req)
	}
	if tool.Options.TaskSupport == mcptasks.TaskForbidden {
		return m.callPlainly(ctx, next, req, tool)
	}
	declared := declares(req)
	if tool.Options.TaskSupport == mcptasks.TaskRequired && !declared {
		return nil, missingCapability()
	}
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, err
	}
	result, err = next(context.WithValue(ctx, ownerKey{}, owner), wire.MethodCall, req)
	task := createdTask(result)
	switch {
	case task == nil:
		return result, err
	case declared:
		return wire.Handle(task), nil
	default:
		return m.wait(ctx, req, owner, task)
	}
}

// callPlainly runs a tool that forbids tasks in the call, as go-sdk would. Nothing
// in the SDK recovers a tool's panic, which would end the process.
func (m *mount) callPlainly(ctx context.Context, next mcp.MethodHandler, req mcp.Request, tool *mcptasks.Tool) (result mcp.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.opts.Logger.ErrorContext(ctx, "mcptasks: the handler panicked", "tool", tool.Name, "panic", p, "stack", string(debug.Stack()))
			result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "The tool stopped unexpectedly."}
		}
	}()
	return next(ctx, wire.MethodCall, req)
}

// created carries a new task through the SDK as a typed tool's error.
type created struct{ task *mcptasks.Task }

func (c *created) Error() string { return "task created" }

func createdTask(result mcp.Result) *mcptasks.Task {
	if answer, ok := result.(*mcp.CallToolResult); ok && answer != nil {
		var c *created
		if errors.As(answer.GetError(), &c) {
			return c.task
		}
	}
	return nil
}

// create makes the call a task. The arguments are kept as the client sent them:
// the worker's tools/call applies the same defaults and checks again.
func (m *mount) create(ctx context.Context, req *mcp.CallToolRequest) error {
	params := mcptasks.CreateParams{Tool: req.Params.Name, Arguments: req.Params.Arguments}
	if len(req.Params.Meta) > 0 {
		data, err := json.Marshal(req.Params.Meta)
		if err != nil {
			return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "_meta cannot be read"}
		}
		params.Meta = data
	}
	task, err := m.runner.Create(ctx, contextOwner(ctx), params)
	if err != nil {
		return m.rpcError(ctx, err)
	}
	return &created{task}
}

// wait answers a client that does not know tasks with its task's result. When
// the wait is over or fails, or the client has gone, nobody would ever ask for it:
// the task is cancelled.
func (m *mount) wait(ctx context.Context, req mcp.Request, owner mcptasks.Owner, task *mcptasks.Task) (mcp.Result, error) {
	waiting, stop := context.WithTimeout(ctx, m.opts.PlainWait)
	defer stop()
	if client, ok := ctx.Value(clientKey{}).(context.Context); ok {
		defer context.AfterFunc(client, stop)()
	}
	var failed error
	for now, err := range m.runner.Watch(waiting, owner, task.ID) {
		if err != nil {
			if waiting.Err() == nil {
				failed = err
			}
			break
		}
		if now.Status.Terminal() {
			return m.plainResult(ctx, req, now)
		}
	}

	ctx = context.WithoutCancel(ctx)
	last, stopLast := context.WithTimeout(ctx, 10*time.Second)
	defer stopLast()
	ended, err := m.runner.Cancel(last, owner, task.ID)
	if errors.Is(err, mcptasks.ErrTerminal) { // it ended while it was given up
		return m.plainResult(ctx, req, ended)
	}
	if err = cmp.Or(failed, err); err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return m.plainResult(ctx, req, &mcptasks.Task{Outcome: errorOutcome(fmt.Sprintf(
		"The tool did not finish within %s and was cancelled. A client that supports MCP tasks can wait for it.", m.opts.PlainWait))})
}

// plainResult is the answer to a client that waited for the task.
func (m *mount) plainResult(ctx context.Context, req mcp.Request, task *mcptasks.Task) (mcp.Result, error) {
	outcome := task.Outcome
	if outcome == nil {
		outcome = errorOutcome("The task was cancelled.")
	}
	if outcome.Error != nil {
		return nil, outcome.Error
	}
	answer, err := wire.NewCallResult(outcome.Result, generation(req) == extension)
	if err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return answer, nil
}

func errorOutcome(sentence string) *mcptasks.Outcome {
	result, _ := json.Marshal(&mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: sentence}}}) // text is always JSON
	return &mcptasks.Outcome{Result: result, IsError: true}
}
