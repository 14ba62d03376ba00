package mcpserver

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
)

// Names of the helper tools.
const (
	toolStatus = "task_status"
	toolResult = "task_result"
	toolAnswer = "task_answer"
	toolCancel = "task_cancel"
)

func isHelper(tool string) bool {
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

// addHelpers adds the tools by which a client that does not know tasks asks for them.
func (m *mount) addHelpers(server *mcp.Server) {
	mcp.AddTool(server, &mcp.Tool{Name: toolStatus, Description: "Says how far a task is, and what it asks"}, m.helpStatus)
	mcp.AddTool(server, &mcp.Tool{Name: toolResult, Description: "Waits for a task and returns its result"}, m.helpResult)
	mcp.AddTool(server, &mcp.Tool{Name: toolAnswer, Description: "Answers a question that a task asks"}, m.helpAnswer)
	mcp.AddTool(server, &mcp.Tool{Name: toolCancel, Description: "Cancels a task"}, m.helpCancel)
}

func (m *mount) helpStatus(ctx context.Context, req *mcp.CallToolRequest, in taskInput) (*mcp.CallToolResult, any, error) {
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	task, err := m.runner.Get(ctx, owner, in.TaskID)
	if err != nil {
		return nil, nil, m.rpcError(ctx, err)
	}
	return sentence(describe(task)), nil, nil
}

func (m *mount) helpResult(ctx context.Context, req *mcp.CallToolRequest, in taskInput) (*mcp.CallToolResult, any, error) {
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	task, err := m.runner.Get(ctx, owner, in.TaskID)
	if err == nil && task.Status == mcptasks.StatusWorking {
		if task, err = m.watch(ctx, owner, task, m.opts.PlainWait, endedOrAsks, nil); err == nil && task == nil {
			task, err = m.runner.Get(ctx, owner, in.TaskID) // what it has come to by now
		}
	}
	switch {
	case err != nil:
		return nil, nil, m.rpcError(ctx, err)
	case task.Outcome == nil:
		return sentence(describe(task)), nil, nil
	case task.Outcome.Error != nil:
		return nil, nil, task.Outcome.Error
	}
	var result mcp.CallToolResult
	if err := json.Unmarshal(task.Outcome.Result, &result); err != nil {
		return nil, nil, m.rpcError(ctx, err)
	}
	return &result, nil, nil
}

func (m *mount) helpAnswer(ctx context.Context, req *mcp.CallToolRequest, in answerInput) (*mcp.CallToolResult, any, error) {
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	response, err := json.Marshal(in.Response)
	if err != nil {
		return nil, nil, err
	}
	if err := m.runner.Answer(ctx, owner, in.TaskID, map[string]json.RawMessage{in.Key: response}); err != nil {
		return nil, nil, m.rpcError(ctx, err)
	}
	return sentence("The answer was passed on."), nil, nil
}

func (m *mount) helpCancel(ctx context.Context, req *mcp.CallToolRequest, in taskInput) (*mcp.CallToolResult, any, error) {
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	task, err := m.runner.Cancel(ctx, owner, in.TaskID)
	if err != nil && !errors.Is(err, mcptasks.ErrTerminal) {
		return nil, nil, m.rpcError(ctx, err)
	}
	return sentence(describe(task)), nil, nil
}

// describe says in words where the task stands.
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
