package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// beforeTheTask asks before there is a task; the answer fills the handler's question.
func beforeTheTask(t *testing.T, db Database) {
	name := &mcp.ElicitParams{Message: "What is your name?", RequestedSchema: map[string]any{
		"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}, "required": []string{"name"},
	}}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "greet"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		answer, err := run.Elicit(ctx, "name", name)
		if err != nil {
			return nil, nil, err
		}
		return done("Hello, " + answer.Content["name"].(string)), nil, nil
	}, &mcptasks.ToolOptions{Before: func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if req.Params.InputResponses == nil {
			return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"name": name}}, nil
		}
		return nil, nil
	}})
	p := serve(t, db, tools, true, nil, nil)

	got := p.request(t, mcpwire.MethodCall, "greet", true, map[string]any{"name": "greet"})
	if got.Error != nil || !strings.Contains(string(got.Result), `"resultType":"input_required"`) || !strings.Contains(string(got.Result), `"What is your name?"`) {
		t.Fatalf("before: %s %v", got.Result, got.Error)
	}
	retry := func(content map[string]any) string {
		got := p.request(t, mcpwire.MethodCall, "greet", true, map[string]any{"name": "greet", "inputResponses": map[string]any{"name": accepted(content)}})
		var handle mcpwire.Task
		if err := json.Unmarshal(got.Result, &handle); err != nil || handle.TaskID == "" {
			t.Fatalf("the retry: %s %v", got.Result, got.Error)
		}
		return handle.TaskID
	}
	if got := p.ended(t, retry(map[string]any{"name": "Alice"})); !strings.Contains(string(got.Result), "Hello, Alice") {
		t.Errorf("ended %s with %s %v", got.Status, got.Result, got.Error)
	}

	// An answer that is none is asked for again, by the task.
	id := retry(map[string]any{"name": 5})
	if got := p.parked(t, id); len(got.InputRequests) != 1 {
		t.Errorf("questions: %v", got.InputRequests)
	}
	p.answer(t, id, map[string]any{"name": accepted(map[string]any{"name": "Bob"})})
	if got := p.ended(t, id); !strings.Contains(string(got.Result), "Hello, Bob") {
		t.Errorf("ended %s with %s %v", got.Status, got.Result, got.Error)
	}
}

// A quick tool answers plainly to a client that knows tasks; a slow one with a handle.
func inlineWait(t *testing.T, db Database) {
	tools, _, _ := blocking(&mcptasks.ToolOptions{InlineWait: 50 * time.Millisecond})
	mcptasks.AddTool(tools, &mcp.Tool{Name: "quick"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return done("quick"), nil, nil
	}, &mcptasks.ToolOptions{InlineWait: patience})
	p := serve(t, db, tools, true, nil, nil)
	got := p.request(t, mcpwire.MethodCall, "quick", true, map[string]any{"name": "quick"})
	if got.Error != nil || !strings.Contains(string(got.Result), `"resultType":"complete"`) || !strings.Contains(string(got.Result), `"text":"quick"`) {
		t.Errorf("quick: %s %v", got.Result, got.Error)
	}
	if _, err := p.Cancel(t.Context(), "", p.call(t, "block", nil).TaskID); err != nil {
		t.Error(err)
	}
}

// A client that does not know tasks is told of one in words, and asks with tools.
func helperTools(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		answer, err := run.Elicit(ctx, "q", confirm("Well?"))
		if err != nil {
			return nil, nil, err
		}
		return done("answered: " + answer.Action), nil, nil
	}, &mcptasks.ToolOptions{PlainWait: 10 * time.Millisecond})
	p := serve(t, db, tools, true, nil, &mcpserver.Options{HelperTools: true})
	plain := func(tool string, args map[string]any) string {
		got := p.request(t, mcpwire.MethodCall, tool, false, map[string]any{"name": tool, "arguments": args})
		if got.Error != nil {
			t.Fatalf("%s: %v", tool, got.Error)
		}
		var result struct {
			Content []struct{ Text string }
			IsError bool
		}
		if err := json.Unmarshal(got.Result, &result); err != nil || len(result.Content) != 1 || result.IsError {
			t.Fatalf("%s: %s", tool, got.Result)
		}
		return result.Content[0].Text
	}
	text := plain("ask", nil)
	_, rest, _ := strings.Cut(text, "as task ")
	id, _, ok := strings.Cut(rest, ".")
	if !ok {
		t.Fatalf("the answer names no task: %s", text)
	}
	p.parked(t, id)
	if text := plain("task_status", map[string]any{"taskId": id}); !strings.Contains(text, "input_required") || !strings.Contains(text, `"q"`) {
		t.Errorf("status: %s", text)
	}
	plain("task_answer", map[string]any{"taskId": id, "key": "q", "response": map[string]any{"action": "decline"}})
	if text := plain("task_result", map[string]any{"taskId": id}); text != "answered: decline" {
		t.Errorf("result: %s", text)
	}
	if text := plain("task_cancel", map[string]any{"taskId": id}); !strings.Contains(text, "completed") {
		t.Errorf("cancel: %s", text)
	}
}

// A call that comes again, because its answer was lost, gets the task it made. Over
// HTTP only an owner has keys.
func repeatedCall(t *testing.T, db Database) {
	tools, _, _ := blocking(nil)
	owner := mcptasks.Owner("me")
	p := serve(t, db, tools, false, nil, &mcpserver.Options{
		Owner: func(context.Context, mcp.Request) (mcptasks.Owner, error) {
			if owner == "nobody knows" {
				return "", errors.New("who?")
			}
			return owner, nil
		},
	})
	call := func() string {
		got := p.requestMeta(t, mcpwire.MethodCall, "block", true, map[string]any{"name": "block"}, map[string]any{"claudecode/toolUseId": "toolu_1"})
		var handle mcpwire.Task
		if err := json.Unmarshal(got.Result, &handle); err != nil || handle.TaskID == "" {
			t.Fatalf("%s %v", got.Result, got.Error)
		}
		return handle.TaskID
	}
	mine := call()
	if again := call(); again != mine {
		t.Errorf("the same call made %s and %s", mine, again)
	}
	owner = "you"
	if yours := call(); yours == mine {
		t.Error("another owner's key found the task")
	}
	owner = ""
	if first, second := call(), call(); first == second {
		t.Error("a key without an owner found a task")
	}
}
