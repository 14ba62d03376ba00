package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/runner"
)

func confirm(message string) *mcp.ElicitParams {
	return &mcp.ElicitParams{Message: message, RequestedSchema: map[string]any{
		"type": "object", "properties": map[string]any{"confirm": map[string]any{"type": "boolean"}}, "required": []string{"confirm"},
	}}
}

// parked waits until the task asks, and returns it as a client reads it.
func (p *program) parked(t *testing.T, id string) mcpwire.Task {
	t.Helper()
	p.until(t, id, func(task *mcptasks.Task) bool { return task.Status == mcptasks.StatusInputRequired })
	return p.get(t, id)
}

// answer sends tasks/update.
func (p *program) answer(t *testing.T, id string, responses map[string]any) answer {
	t.Helper()
	return p.request(t, mcpwire.MethodUpdate, id, true, map[string]any{"taskId": id, "inputResponses": responses})
}

func accepted(content map[string]any) map[string]any {
	return map[string]any{"action": "accept", "content": content}
}

// A task that asks holds no worker: with one slot, another one runs meanwhile.
func questionFreesTheSlot(t *testing.T, db Database) {
	var prepared atomic.Int32
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "delete"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		_, err := mcptasks.Step(ctx, run, "prepare", func(context.Context) (int32, error) { return prepared.Add(1), nil })
		if err != nil {
			return nil, nil, err
		}
		answer, err := run.Elicit(ctx, "confirm", confirm("Delete?"))
		if err != nil {
			if !errors.Is(err, mcptasks.ErrParked) || !errors.Is(context.Cause(ctx), mcptasks.ErrParked) {
				t.Errorf("Elicit returned %v, the context ended with %v", err, context.Cause(ctx))
			}
			return nil, nil, err
		}
		return nil, map[string]any{"confirmed": answer.Content["confirm"], "attempt": run.Attempt()}, nil
	}, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "quick"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return done("quick"), nil, nil
	}, nil)
	p := serve(t, db, tools, true, &runner.Config{MaxWorkers: 1, Grace: 5 * time.Second}, nil)

	id := p.call(t, "delete", nil).TaskID
	asked := p.parked(t, id).InputRequests["confirm"]
	if asked.Method != "elicitation/create" || !strings.Contains(string(asked.Params), `"message":"Delete?"`) {
		t.Errorf("the question is %s %s", asked.Method, asked.Params)
	}
	if got := p.ended(t, p.call(t, "quick", nil).TaskID); got.Status != mcptasks.StatusCompleted {
		t.Errorf("beside a waiting task another one is %s", got.Status)
	}

	for name, responses := range map[string]map[string]any{
		"unknown key": {"nobody's": accepted(nil)},
		"none":        {},
	} {
		if got := p.answer(t, id, responses); got.Error != nil {
			t.Errorf("%s: %v", name, got.Error)
		}
	}
	for name, response := range map[string]any{
		"not an object":   5,
		"no such action":  map[string]any{"action": "perhaps"},
		"a wrong content": accepted(map[string]any{"confirm": "yes"}),
		"no content":      accepted(nil),
	} {
		got := p.answer(t, id, map[string]any{"confirm": response})
		if got.Error == nil || got.Error.Code != -32602 || !strings.Contains(got.Error.Message, `"confirm"`) {
			t.Errorf("%s: %v; want -32602 that names the key", name, got.Error)
		}
	}
	if got := p.get(t, id); got.Status != mcptasks.StatusInputRequired || len(got.InputRequests) != 1 {
		t.Fatalf("after answers that are none: %s %v", got.Status, got.InputRequests)
	}

	for range 2 { // the client sends its answer again; it is acknowledged again
		if got := p.answer(t, id, map[string]any{"confirm": accepted(map[string]any{"confirm": true})}); got.Error != nil {
			t.Fatal(got.Error)
		}
		if got := p.get(t, id); len(got.InputRequests) != 0 {
			t.Errorf("an answered question is still shown: %v", got.InputRequests)
		}
	}
	got := p.ended(t, id)
	if got.Status != mcptasks.StatusCompleted || !strings.Contains(string(got.Result), `"confirmed":true`) || !strings.Contains(string(got.Result), `"attempt":1`) {
		t.Errorf("ended %s with %s", got.Status, got.Result)
	}
	if prepared.Load() != 1 {
		t.Errorf("the step before the question ran %d times", prepared.Load())
	}
}

func severalQuestions(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		answers, err := run.Ask(ctx, mcp.InputRequestMap{
			"one": confirm("One?"),
			"two": &mcp.CreateMessageParams{MaxTokens: 10, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "Two?"}}}},
		})
		if err != nil {
			return done("swallowed"), nil, nil // it is not believed
		}
		one, two := answers["one"].(*mcp.ElicitResult), answers["two"].(*mcp.CreateMessageWithToolsResult)
		return nil, map[string]any{"one": one.Action, "two": two.Model}, nil
	}, nil)
	p := serve(t, db, tools, true, nil, nil)

	id := p.call(t, "ask", nil).TaskID
	if got := p.parked(t, id); len(got.InputRequests) != 2 || got.InputRequests["two"].Method != "sampling/createMessage" {
		t.Errorf("questions: %v", got.InputRequests)
	}
	if got := p.answer(t, id, map[string]any{"one": map[string]any{"action": "decline"}}); got.Error != nil {
		t.Fatal(got.Error)
	}
	if got := p.get(t, id); got.Status != mcptasks.StatusInputRequired || len(got.InputRequests) != 1 || got.InputRequests["two"].Method == "" {
		t.Errorf("after one answer: %s %v", got.Status, got.InputRequests)
	}
	message := map[string]any{"role": "assistant", "model": "m1", "content": map[string]any{"type": "text", "text": "yes"}}
	if got := p.answer(t, id, map[string]any{"two": message}); got.Error != nil {
		t.Fatal(got.Error)
	}
	if got := p.ended(t, id); !strings.Contains(string(got.Result), `"one":"decline"`) || !strings.Contains(string(got.Result), `"two":"m1"`) {
		t.Errorf("ended %s with %s", got.Status, got.Result)
	}
}

func unanswered(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		_, err := run.Elicit(ctx, "confirm", confirm("Well?"))
		if errors.Is(err, mcptasks.ErrUnanswered) {
			return done("nobody answered"), nil, nil
		}
		return nil, nil, err
	}, &mcptasks.ToolOptions{QuestionDeadline: 10 * time.Millisecond})
	mcptasks.AddTool(tools, &mcp.Tool{Name: "never"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		_, err := run.Elicit(ctx, "confirm", confirm("Well?"))
		return nil, nil, err
	}, &mcptasks.ToolOptions{Deadline: 50 * time.Millisecond})
	p := serve(t, db, tools, true, &runner.Config{SweepInterval: 20 * time.Millisecond, Grace: 5 * time.Second}, nil)

	if got := p.ended(t, p.call(t, "ask", nil).TaskID); got.Status != mcptasks.StatusCompleted || !strings.Contains(string(got.Result), "nobody answered") {
		t.Errorf("ended %s with %s", got.Status, got.Result)
	}
	got := p.ended(t, p.call(t, "never", nil).TaskID)
	if got.Status != mcptasks.StatusFailed || got.Error == nil || !strings.Contains(got.Error.Message, "deadline") {
		t.Errorf("past its deadline: %s %v", got.Status, got.Error)
	}
}

// A question under a key that was another's ends the task loudly.
func keyOfAnother(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		if _, err := run.Elicit(ctx, "q", confirm("First?")); err != nil {
			return nil, nil, err
		}
		_, err := run.Elicit(ctx, "q", &mcp.ElicitParams{Message: "Second?", RequestedSchema: map[string]any{"type": "object"}})
		return nil, nil, err
	}, &mcptasks.ToolOptions{MaxAttempts: 5})
	p := serve(t, db, tools, true, nil, nil)
	id := p.call(t, "ask", nil).TaskID
	p.parked(t, id)
	p.answer(t, id, map[string]any{"q": accepted(map[string]any{"confirm": true})})
	if got := p.ended(t, id); !strings.Contains(string(got.Result), "another method or schema") {
		t.Errorf("ended %s with %s %v", got.Status, got.Result, got.Error)
	}
}

func cancelParked(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		_, err := run.Elicit(ctx, "q", confirm("Well?"))
		return nil, nil, err
	}, nil)
	p := serve(t, db, tools, true, nil, nil)
	id := p.call(t, "ask", nil).TaskID
	p.parked(t, id)
	if _, err := p.Cancel(t.Context(), "", id); err != nil {
		t.Fatal(err)
	}
	if got := p.answer(t, id, map[string]any{"q": accepted(map[string]any{"confirm": true})}); got.Error != nil {
		t.Errorf("a late answer: %v", got.Error)
	}
	if got := p.get(t, id); got.Status != mcptasks.StatusCancelled || len(got.InputRequests) != 0 {
		t.Errorf("after cancel: %s %v", got.Status, got.InputRequests)
	}
}

// A client that sends its call again gets the task it made.
func idempotentCreate(t *testing.T, db Database) {
	tools, _, _ := blocking(nil)
	p := serve(t, db, tools, false, &runner.Config{MaxLiveTasks: 2, MaxArgumentBytes: 100}, nil)
	create := func(key, args string) (*mcptasks.Task, error) {
		return p.Create(t.Context(), "me", mcptasks.CreateParams{Tool: "block", Arguments: json.RawMessage(args), IdempotencyKey: key})
	}
	first, err := create("k", `{"a":1,"b":2}`)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := create("k", `{"b":2, "a":1}`); err != nil || again.ID != first.ID {
		t.Errorf("the same call again: %+v %v", again, err)
	}
	if _, err := create("k", `{"a":2}`); !errors.Is(err, mcptasks.ErrInvalid) {
		t.Errorf("other arguments: %v", err)
	}
	if _, err := create("l", `{"s":"`+strings.Repeat("x", 100)+`"}`); !errors.Is(err, mcptasks.ErrLimit) {
		t.Errorf("long arguments: %v", err)
	}
	if second, err := create("l", `{}`); err != nil || second.ID == first.ID {
		t.Errorf("another key: %+v %v", second, err)
	}
	if _, err := create("m", `{}`); !errors.Is(err, mcptasks.ErrLimit) {
		t.Errorf("a third live task: %v", err)
	}
	page, err := p.List(t.Context(), "me", "", 0)
	if err != nil || len(page.Tasks) != 2 || page.Next != "" {
		t.Errorf("list: %+v %v", page, err)
	}
}
