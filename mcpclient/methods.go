package mcpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// start sends tools/call. The error is permanent if the call may have reached the
// server.
func (c *conn) start(ctx context.Context, params *mcp.CallToolParams) (*Started, error) {
	generation, _ := c.generation() // without tasks the call is a plain one
	asTask := false
	if generation == core && c.tasks.callAsTask() {
		var err error
		if asTask, err = c.wantsTask(ctx, params.Name); err != nil {
			return nil, err
		}
	}
	params.Meta = telemetry.WithMeta(ctx, params.Meta)
	captured := &capture{method: mcpwire.MethodCall, asTask: asTask}
	result, err := c.call(ctx, captured, params)
	if generation == core && c.tasks.callAsTask() && captured.errorCode() == jsonrpc.CodeMethodNotFound {
		// The server wants the tool called the other way, and has not run it.
		asTask = !asTask
		c.setWantsTask(params.Name, asTask)
		captured.asTask = asTask
		result, err = c.call(ctx, captured, params)
	}
	if err != nil {
		return nil, captured.explainCall(err)
	}
	switch {
	case generation == core && asTask:
		return captured.startedCore(result)
	case isHandle(result):
		return captured.started()
	default:
		return &Started{Result: result}, nil
	}
}

// get sends tasks/get, and for 2025-11-25 also reads the result of a task that has
// ended.
func (c *conn) get(ctx context.Context, id string) (*Task, error) {
	generation, err := c.generation()
	if err != nil {
		return nil, err
	}
	data, err := send(ctx, c, mcpwire.MethodGet, &mcpwire.TaskParams{TaskID: id})
	if err != nil {
		return nil, notFound(err)
	}
	var task *Task
	if generation == core {
		task, err = decodeCoreTask(data)
	} else {
		task, err = decodeTask(data)
	}
	if err == nil && task.ID != id {
		err = fmt.Errorf("the server answered with another task, %.100q", task.ID)
	}
	if err != nil {
		return nil, &permanent{err}
	}
	if generation == core && (task.Status == mcptasks.StatusCompleted || task.Status == mcptasks.StatusFailed) {
		err = c.addResult(ctx, task)
	}
	return task, err
}

// answer sends the answers to a task's questions, by key.
func (c *conn) answer(ctx context.Context, id string, responses map[string]json.RawMessage) error {
	params := &mcpwire.UpdateParams{TaskID: id, InputResponses: responses}
	params.Meta = telemetry.WithMeta(ctx, nil)
	_, err := send(ctx, c, mcpwire.MethodUpdate, params)
	return err
}

// cancel sends tasks/cancel. It is no error if the task has ended before.
func (c *conn) cancel(ctx context.Context, id string) error {
	generation, err := c.generation()
	if err != nil {
		return err
	}
	if generation == core && c.tasks.Cancel == nil {
		return fmt.Errorf("%w: the server cannot cancel tasks", errors.ErrUnsupported)
	}
	params := &mcpwire.TaskParams{TaskID: id}
	params.Meta = telemetry.WithMeta(ctx, nil)
	_, err = send(ctx, c, mcpwire.MethodCancel, params)
	if err = notFound(err); generation == core && errors.Is(err, mcptasks.ErrNotFound) {
		// 2025-11-25 gives the same error for a task that has ended.
		if task, getErr := c.get(ctx, id); getErr == nil && task.Status.Terminal() {
			return nil
		}
	}
	return err
}

// send sends a method that the SDK does not have, and returns the result as it was
// sent.
func send[T any, P interface {
	*T
	mcp.Params
}](ctx context.Context, c *conn, method string, params P,
) (json.RawMessage, error) {
	captured := &capture{method: method}
	result, err := mcp.CallCustomMethod[P, *raw](withCapture(ctx, captured), c.ClientSession, method, params)
	if err != nil {
		return nil, captured.explain(err)
	}
	if result.data == nil {
		return json.RawMessage("null"), nil
	}
	return result.data, nil
}

// raw is a result that stays encoded. Decoding would make float64 of its numbers.
type raw struct {
	mcp.ResultBase
	data json.RawMessage
}

func (r *raw) UnmarshalJSON(data []byte) error {
	r.data = bytes.Clone(data)
	return nil
}
