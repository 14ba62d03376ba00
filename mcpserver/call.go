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
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// call answers tools/call. For a durable tool the SDK checks the arguments and
// calls create in place of the handler; what create made comes back through the
// SDK as a tool's error and is replaced by the handle, or by the task's result.
func (m *mount) call(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (result mcp.Result, err error) {
	params, ok := req.GetParams().(*mcp.CallToolParamsRaw)
	if !ok || params == nil {
		return next(ctx, mcpwire.MethodCall, req)
	}
	tool, ours := m.tools.Get(params.Name)
	support := mcptasks.TaskForbidden
	if ours {
		support = tool.Options.TaskSupport
	}
	asked, err := askedTask(ctx, req, support)
	if err != nil {
		return nil, err
	}
	if !ours {
		return next(ctx, mcpwire.MethodCall, req)
	}
	if tool.Options.TaskSupport == mcptasks.TaskForbidden {
		return m.callPlainly(ctx, next, req, tool)
	}
	declared := declares(req)
	if tool.Options.TaskSupport == mcptasks.TaskRequired && !declared && asked == nil {
		return nil, missingCapability()
	}
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, err
	}
	result, err = next(context.WithValue(context.WithValue(ctx, ownerKey{}, owner), askedKey{}, asked), mcpwire.MethodCall, req)
	if before := answeredBefore(result); before != nil {
		return beforeResult(before, generation(req) == extension)
	}
	task := createdTask(result)
	switch {
	case task == nil && asked != nil && err == nil && refused(result) != nil:
		return nil, refused(result)
	case task == nil:
		return result, err
	case asked != nil:
		session, _ := req.GetSession().(*mcp.ServerSession)
		m.follow(ctx, session, owner, task, true)
		return mcpwire.NewCoreHandle(task), nil
	case declared:
		return m.handle(ctx, req, owner, task, tool.Options.InlineWait)
	default:
		return m.wait(ctx, req, owner, task, cmp.Or(tool.Options.PlainWait, m.opts.PlainWait))
	}
}

// handle answers a client that knows tasks: with the task's result if it ends
// within the wait, else with its handle. It has the handle at once when the task asks:
// the answer is the client's to give.
func (m *mount) handle(ctx context.Context, req mcp.Request, owner mcptasks.Owner, task *mcptasks.Task, wait time.Duration) (mcp.Result, error) {
	if wait > 0 {
		now, err := m.watch(ctx, owner, task, wait, endedOrAsks, nil)
		if err != nil {
			m.opts.Logger.WarnContext(ctx, "mcptasks: a task could not be waited for; its client gets the handle", "task_id", task.ID, "error", err)
		}
		if now != nil && ended(now) {
			return m.plainResult(ctx, req, now)
		}
		task = cmp.Or(now, task)
	}
	return mcpwire.Handle(task), nil
}

func ended(task *mcptasks.Task) bool { return task.Status.Terminal() }

func endedOrAsks(task *mcptasks.Task) bool {
	return ended(task) || task.Status == mcptasks.StatusInputRequired
}

// watch returns the task if it comes so far within the wait and before the client goes,
// else nil. It returns an error if it could not be watched. If session is not nil, its
// client is asked what the task asks.
func (m *mount) watch(ctx context.Context, owner mcptasks.Owner, task *mcptasks.Task, wait time.Duration,
	far func(*mcptasks.Task) bool, session *asker,
) (*mcptasks.Task, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	if client, ok := ctx.Value(clientKey{}).(context.Context); ok {
		defer context.AfterFunc(client, stop)()
	}
	left := newCallWait(wait, stop)
	defer left.end()
	var asker *asker
	if session != nil {
		defer context.AfterFunc(session.line.ctx, stop)()
		defer session.waits(owner, task.ID)()
		asker = session.forCall(left)
		defer asker.forget(task.ID)
	}
	for now, err := range m.runner.Watch(waiting, owner, task.ID) {
		switch {
		case err != nil && waiting.Err() != nil:
			return nil, nil //nolint:nilnil // the wait is over
		case err != nil:
			return nil, err
		case far(now):
			return now, nil
		}
		if asker != nil {
			asker.withdraw(now)
			asker.ask(ctx, owner, now, nil)
		}
	}
	return nil, nil //nolint:nilnil // not within the wait
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
	return next(ctx, mcpwire.MethodCall, req)
}

// created carries a new task through the SDK as a typed tool's error.
type created struct{ task *mcptasks.Task }

func (c *created) Error() string { return "task created" }

// answered carries Before's answer through the SDK in the same way.
type answered struct{ result *mcp.CallToolResult }

func (a *answered) Error() string { return "answered before the task" }

func answeredBefore(result mcp.Result) *mcp.CallToolResult {
	if answer, ok := result.(*mcp.CallToolResult); ok && answer != nil {
		var a *answered
		if errors.As(answer.GetError(), &a) {
			return a.result
		}
	}
	return nil
}

func createdTask(result mcp.Result) *mcptasks.Task {
	if answer, ok := result.(*mcp.CallToolResult); ok && answer != nil {
		var c *created
		if errors.As(answer.GetError(), &c) {
			return c.task
		}
	}
	return nil
}

// create makes the call a task, unless the tool's Before has an answer. The
// arguments are kept as the client sent them: the worker's tools/call applies the
// same defaults and checks again.
func (m *mount) create(ctx context.Context, req *mcp.CallToolRequest) error {
	tool, _ := m.tools.Get(req.Params.Name)
	if tool.Options.Before != nil {
		answer, err := tool.Options.Before(ctx, req)
		if err != nil {
			return err
		}
		if answer != nil && mayAnswer(ctx, req, answer) {
			return &answered{answer}
		}
	}
	params := mcptasks.CreateParams{Tool: req.Params.Name, Arguments: req.Params.Arguments, TTL: contextTTL(ctx)}
	var err error
	if len(req.Params.Meta) > 0 {
		params.Meta, err = json.Marshal(req.Params.Meta)
	}
	if err == nil {
		params.Responses, err = rawResponses(req.Params.InputResponses)
	}
	if err != nil {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "_meta or inputResponses cannot be read"}
	}
	owner := contextOwner(ctx)
	params.IdempotencyKey = m.idempotencyKey(req, owner)
	task, err := m.runner.Create(ctx, owner, params)
	if err != nil {
		return m.rpcError(ctx, err)
	}
	return &created{task}
}

// mayAnswer reports whether Before's answer can be the call's. A client of an older
// protocol cannot be asked so: the task asks it. And one of 2025-11-25 that asked for a
// task reads nothing but a task, or an error.
func mayAnswer(ctx context.Context, req *mcp.CallToolRequest, answer *mcp.CallToolResult) bool {
	if asked, _ := ctx.Value(askedKey{}).(*taskAsked); asked != nil {
		return false
	}
	return answer.InputRequests == nil || generation(req) == extension
}

func rawResponses(responses mcp.InputResponseMap) (map[string]json.RawMessage, error) {
	if len(responses) == 0 {
		return nil, nil
	}
	raw := make(map[string]json.RawMessage, len(responses))
	for key, response := range responses {
		data, err := json.Marshal(response)
		if err != nil {
			return nil, err
		}
		raw[key] = data
	}
	return raw, nil
}

// wait answers a client that does not know tasks with its task's result. If the client
// has a session, it is asked meanwhile what the task asks, as by any tool. When the
// wait is over, the answer names the task if there are helper tools to ask for it;
// else, or when the client has gone, nobody would ever ask: the task is cancelled.
func (m *mount) wait(ctx context.Context, req mcp.Request, owner mcptasks.Owner, task *mcptasks.Task, wait time.Duration) (mcp.Result, error) {
	var asker *asker
	if generation(req) != extension {
		session, _ := req.GetSession().(*mcp.ServerSession)
		asker = m.asker(ctx, session)
	}
	last, failed := m.watch(ctx, owner, task, wait, ended, asker)
	if last != nil {
		return m.plainResult(ctx, req, last)
	}
	if failed == nil && m.opts.HelperTools && !clientGone(ctx) {
		return m.plainResult(ctx, req, &mcptasks.Task{Outcome: textOutcome(fmt.Sprintf(
			"The work goes on as task %s. Ask for its result with %s, or for how far it is with %s.", task.ID, toolResult, toolStatus), false)})
	}

	ctx = context.WithoutCancel(ctx)
	cancelling, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	last, err := m.runner.Cancel(cancelling, owner, task.ID)
	if errors.Is(err, mcptasks.ErrTerminal) { // it ended while it was given up
		return m.plainResult(ctx, req, last)
	}
	if err = cmp.Or(failed, err); err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return m.plainResult(ctx, req, &mcptasks.Task{Outcome: textOutcome(fmt.Sprintf(
		"The tool did not finish within %s and was cancelled. A client that supports MCP tasks can wait for it.", wait), true)})
}

// clientGone reports whether the client of the HTTP request has gone.
func clientGone(ctx context.Context) bool {
	client, ok := ctx.Value(clientKey{}).(context.Context)
	return ok && client.Err() != nil
}

// plainResult is the answer to a client that waited for the task.
func (m *mount) plainResult(ctx context.Context, req mcp.Request, task *mcptasks.Task) (mcp.Result, error) {
	outcome := task.Outcome
	if outcome == nil {
		outcome = textOutcome("The task was cancelled.", true)
	}
	if outcome.Error != nil {
		return nil, outcome.Error
	}
	answer, err := mcpwire.NewCallResult(outcome.Result, generation(req) == extension)
	if err != nil {
		return nil, m.rpcError(ctx, err)
	}
	return answer, nil
}

func textOutcome(sentence string, isError bool) *mcptasks.Outcome {
	result, _ := json.Marshal(&mcp.CallToolResult{IsError: isError, Content: []mcp.Content{&mcp.TextContent{Text: sentence}}}) // text is always JSON
	return &mcptasks.Outcome{Result: result, IsError: isError}
}
