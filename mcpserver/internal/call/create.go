package call

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// A typed tool of the SDK can return a result of its own type, or an error. The SDK checks
// the result against the tool's output schema, and hands an error that is not a JSON-RPC
// one back unchanged in the result, where CallToolResult.GetError finds it. So a new task,
// and an answer of Before, go through the SDK as an error. There is no other way that lets
// the SDK check the arguments and does not let it check an output that does not exist yet.

// created is an error that has a new task.
type created struct{ task *mcptasks.Task }

func (c *created) Error() string { return "task created" }

// answered is an error that has an answer of Before.
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

// Create makes the call a task, unless the tool's Before has an answer. It keeps the
// arguments as the client sent them: the worker's tools/call applies the same defaults and
// checks again.
func (c *Calls) Create(ctx context.Context, req *mcp.CallToolRequest) error {
	tool, _ := c.service.Tools.Get(req.Params.Name)
	if tool.Options.Before != nil {
		answer, err := tool.Options.Before(ctx, req)
		if err != nil {
			return err
		}
		if answer != nil && mayAnswer(ctx, answer) {
			return &answered{answer}
		}
	}
	request := sideband.FromContext(ctx)
	params := mcptasks.CreateParams{Tool: req.Params.Name, Arguments: req.Params.Arguments, TTL: request.TTL}
	var err error
	if len(req.Params.Meta) > 0 {
		params.Meta, err = json.Marshal(req.Params.Meta)
	}
	if err == nil {
		params.Responses, err = rawResponses(req.Params.InputResponses)
	}
	if err != nil {
		return mcpwire.InvalidParams("_meta or inputResponses cannot be read")
	}
	params.IdempotencyKey = c.idempotencyKey(req, request.Owner)
	task, err := c.service.Create(ctx, request.Owner, params)
	if err != nil {
		return c.service.Error(ctx, err)
	}
	return &created{task}
}

// mayAnswer reports whether Before's answer can be the call's. A client of an older
// protocol version cannot be asked in this way: its task asks it. A 2025-11-25 client that
// asks for a task reads nothing but a task or an error.
func mayAnswer(ctx context.Context, answer *mcp.CallToolResult) bool {
	request := sideband.FromContext(ctx)
	if request.AsksForTask {
		return false
	}
	return answer.InputRequests == nil || request.Generation == mcpwire.TasksExtension
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
