// Package helper has the tools by which a client that does not know tasks asks for them:
// task_status, task_result, task_answer, task_cancel. It knows how calls wait for a task.
// It does not know the generations of the protocol.
package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver/internal/call"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
)

// Names of the helper tools.
const (
	toolStatus = call.StatusTool
	toolResult = call.ResultTool
	toolAnswer = "task_answer"
	toolCancel = "task_cancel"
)

// Is reports whether a tool of that name is one of the helper tools.
func Is(tool string) bool {
	switch tool {
	case toolStatus, toolResult, toolAnswer, toolCancel:
		return true
	}
	return false
}

type taskInput struct {
	TaskID string `json:"taskId" jsonschema:"the id of the task, as the tool named it"`
}

type answerInput struct {
	TaskID   string         `json:"taskId" jsonschema:"the id of the task"`
	Key      string         `json:"key" jsonschema:"the key of the question, as task_status shows it"`
	Response map[string]any `json:"response" jsonschema:"the answer: for an elicitation, action (accept, decline or cancel) and content"`
}

// tools are the helper tools of a server.
type tools struct {
	service *service.Service
	calls   *call.Calls
}

// Add adds the tools to the server.
func Add(server *mcp.Server, service *service.Service, calls *call.Calls) {
	t := &tools{service: service, calls: calls}
	mcp.AddTool(server, &mcp.Tool{Name: toolStatus, Description: "Says how far a task is, and what it asks"}, t.status)
	mcp.AddTool(server, &mcp.Tool{Name: toolResult, Description: "Waits for a task and returns its result"}, t.result)
	mcp.AddTool(server, &mcp.Tool{Name: toolAnswer, Description: "Answers a question that a task asks"}, t.answer)
	mcp.AddTool(server, &mcp.Tool{Name: toolCancel, Description: "Cancels a task"}, t.cancel)
}

func (t *tools) status(ctx context.Context, req *mcp.CallToolRequest, in taskInput) (*mcp.CallToolResult, any, error) {
	owner, err := t.service.Owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	task, err := t.service.Get(ctx, owner, in.TaskID)
	if err != nil {
		return nil, nil, t.service.Error(ctx, err)
	}
	return sentence(describe(task)), nil, nil
}

func (t *tools) result(ctx context.Context, req *mcp.CallToolRequest, in taskInput) (*mcp.CallToolResult, any, error) {
	owner, err := t.service.Owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	task, err := t.service.Get(ctx, owner, in.TaskID)
	if err == nil && task.Status == mcptasks.StatusWorking {
		if task, err = t.calls.WaitPlain(ctx, owner, task); err == nil && task == nil {
			task, err = t.service.Get(ctx, owner, in.TaskID) // as it is now
		}
	}
	switch {
	case err != nil:
		return nil, nil, t.service.Error(ctx, err)
	case task.Outcome == nil:
		return sentence(describe(task)), nil, nil
	case task.Outcome.Error != nil:
		return nil, nil, task.Outcome.Error
	}
	var result mcp.CallToolResult
	if err := json.Unmarshal(task.Outcome.Result, &result); err != nil {
		return nil, nil, t.service.Error(ctx, err)
	}
	return &result, nil, nil
}

func (t *tools) answer(ctx context.Context, req *mcp.CallToolRequest, in answerInput) (*mcp.CallToolResult, any, error) {
	owner, err := t.service.Owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	response, err := json.Marshal(in.Response)
	if err != nil {
		return nil, nil, err
	}
	if err := t.service.Answer(ctx, owner, in.TaskID, map[string]json.RawMessage{in.Key: response}); err != nil {
		return nil, nil, t.service.Error(ctx, err)
	}
	return sentence("The answer was passed on."), nil, nil
}

func (t *tools) cancel(ctx context.Context, req *mcp.CallToolRequest, in taskInput) (*mcp.CallToolResult, any, error) {
	owner, err := t.service.Owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	task, err := t.service.Cancel(ctx, owner, in.TaskID)
	if err != nil && !errors.Is(err, mcptasks.ErrTerminal) {
		return nil, nil, t.service.Error(ctx, err)
	}
	return sentence(describe(task)), nil, nil
}

// describe says in words what the task's status is, and what it asks.
func describe(task *mcptasks.Task) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Task %s (%s) is %s.", task.ID, task.Tool, task.Status)
	if task.StatusMessage != "" {
		fmt.Fprintf(&b, " %s", task.StatusMessage)
	}
	for _, key := range slices.Sorted(maps.Keys(task.Questions)) {
		question := task.Questions[key]
		fmt.Fprintf(&b, "\nIt asks, under the key %q, %s %s", key, question.Method, question.Params)
	}
	return b.String()
}

func sentence(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
