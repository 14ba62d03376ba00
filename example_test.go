package mcptasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite" // for sqlite: URLs
	"github.com/mcptasks/mcptasks/tasktest"
)

type topic struct {
	Topic string `json:"topic"`
}

type report struct {
	Text string `json:"text"`
}

// The schemas of a tool come from its handler's types.
func ExampleAddTool() {
	write := func(_ context.Context, _ *mcptasks.Run, in topic) (*mcp.CallToolResult, report, error) {
		return nil, report{"All about " + in.Topic}, nil
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, write, &mcptasks.ToolOptions{RunTimeout: time.Minute})

	task := tasktest.New(new(testing.T), tools).Task("report", topic{"tides"})
	task.Run()
	fmt.Println(task.Status(), task.Result().StructuredContent)
	// Output: completed map[text:All about tides]
}

// A recorded step is not repeated when the handler runs again.
func ExampleStep() {
	write := func(ctx context.Context, run *mcptasks.Run, in topic) (*mcp.CallToolResult, report, error) {
		pages, err := mcptasks.Step(ctx, run, "fetch", func(context.Context) (int, error) {
			fmt.Println("fetching", in.Topic)
			return 3, nil
		})
		if err != nil {
			return nil, report{}, err
		}
		return nil, report{fmt.Sprintf("%d pages about %s", pages, in.Topic)}, nil
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, write, nil)

	task := tasktest.New(new(testing.T), tools).Task("report", topic{"tides"})
	task.KillAfter("fetch")
	fmt.Println(task.Run().Cause)
	task.Run()
	fmt.Println(task.Result().StructuredContent)
	// Output:
	// fetching tides
	// tasktest: the process was killed
	// map[text:3 pages about tides]
}

func ExampleRun_Elicit() {
	remove := func(ctx context.Context, run *mcptasks.Run, in topic) (*mcp.CallToolResult, report, error) {
		answer, err := run.Elicit(ctx, "confirm", &mcp.ElicitParams{Message: "Delete all about " + in.Topic + "?"})
		switch {
		case errors.Is(err, mcptasks.ErrUnanswered):
			return nil, report{"nobody answered"}, nil
		case err != nil: // ErrParked too: the handler runs again when the answer is there
			return nil, report{}, err
		case answer.Action != "accept":
			return nil, report{"kept"}, nil
		}
		return nil, report{"deleted"}, nil
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "delete"}, remove, &mcptasks.ToolOptions{QuestionDeadline: time.Hour})

	task := tasktest.New(new(testing.T), tools).Task("delete", topic{"tides"})
	fmt.Println(task.Run().Cause)
	fmt.Println(task.Status())
	task.Answer("confirm", &mcp.ElicitResult{Action: "accept"})
	task.Run()
	fmt.Println(task.Result().StructuredContent)
	// Output:
	// the task waits for an answer
	// input_required
	// map[text:deleted]
}

// Ask asks several questions at once. The handler runs again when all are answered.
func ExampleRun_Ask() {
	size := &mcp.ElicitParams{Message: "Which size?", RequestedSchema: &jsonschema.Schema{
		Type:       "object",
		Properties: map[string]*jsonschema.Schema{"size": {Type: "string"}},
		Required:   []string{"size"},
	}}
	verse := &mcp.CreateMessageParams{MaxTokens: 100, Messages: []*mcp.SamplingMessage{
		{Role: "user", Content: &mcp.TextContent{Text: "A verse for a T-shirt, please."}},
	}}
	order := func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, report, error) {
		answers, err := run.Ask(ctx, mcp.InputRequestMap{"size": size, "verse": verse})
		if err != nil {
			return nil, report{}, err
		}
		chosen := answers["size"].(*mcp.ElicitResult)
		written := answers["verse"].(*mcp.CreateMessageWithToolsResult)
		return nil, report{fmt.Sprintf("%v: %s", chosen.Content["size"], written.Content[0].(*mcp.TextContent).Text)}, nil
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "order"}, order, nil)

	task := tasktest.New(new(testing.T), tools).Task("order", nil)
	task.Run()
	task.Answer("size", &mcp.ElicitResult{Action: "accept", Content: map[string]any{"size": "XL"}})
	fmt.Println(task.Status(), len(task.Questions()))
	task.Answer("verse", &mcp.CreateMessageResult{Role: "assistant", Model: "a model", Content: &mcp.TextContent{Text: "High water at dawn"}})
	task.Run()
	fmt.Println(task.Status(), task.Result().StructuredContent)
	// Output:
	// input_required 1
	// completed map[text:XL: High water at dawn]
}

func ExampleRun_Progress() {
	count := func(_ context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		run.Progress(1, 2, "")
		run.Progress(2, 2, "nearly done")
		return nil, nil, nil
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "count"}, count, nil)

	task := tasktest.New(new(testing.T), tools).Task("count", nil)
	task.Run()
	for _, report := range task.Progress() {
		fmt.Printf("%g/%g %q\n", report.Done, report.Total, report.Message)
	}
	// Output:
	// 1/2 ""
	// 2/2 "nearly done"
}

// Errors are retried until MaxAttempts errors have been returned. The last one is the
// answer.
func ExampleToolOptions_retries() {
	fetch := func(_ context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, fmt.Errorf("attempt %d: no connection", run.Attempt())
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "fetch"}, fetch, &mcptasks.ToolOptions{
		MaxAttempts: 3,
		Backoff:     func(errors int) time.Duration { return time.Duration(errors) * time.Minute },
	})

	task := tasktest.New(new(testing.T), tools).Task("fetch", nil)
	for again := true; again; {
		end := task.Run()
		again = end.Again
		fmt.Printf("%v; run again: %t, after %s\n", end.Cause, end.Again, end.After)
	}
	fmt.Println(task.Status(), task.Result().IsError)
	// Output:
	// attempt 1: no connection; run again: true, after 1m0s
	// attempt 2: no connection; run again: true, after 2m0s
	// attempt 3: no connection; run again: false, after 0s
	// completed true
}

// A permanent error is the answer at once, whatever attempts are left.
func ExamplePermanent() {
	fetch := func(_ context.Context, _ *mcptasks.Run, in topic) (*mcp.CallToolResult, any, error) {
		return nil, nil, mcptasks.Permanent(fmt.Errorf("there is nothing about %s", in.Topic))
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "fetch"}, fetch, &mcptasks.ToolOptions{MaxAttempts: 3})

	task := tasktest.New(new(testing.T), tools).Task("fetch", topic{"tides"})
	end := task.Run()
	fmt.Println(end.Again, end.Cause)
	// Output: false there is nothing about tides
}

// A handler that waits for something holds no worker while it snoozes.
func ExampleSnooze() {
	ready := false
	wait := func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
		if !ready {
			return nil, nil, mcptasks.Snooze(10 * time.Minute)
		}
		return nil, nil, nil
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "wait"}, wait, nil)

	task := tasktest.New(new(testing.T), tools).Task("wait", nil)
	end := task.Run()
	fmt.Println(task.Status(), end.After, task.Attempts())
	ready = true
	task.Run()
	fmt.Println(task.Status())
	// Output:
	// working 10m0s 0
	// completed
}

// A program creates and follows tasks itself with a node, which is a Runner.
func ExampleRunner() {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, func(_ context.Context, _ *mcptasks.Run, in topic) (*mcp.CallToolResult, report, error) {
		return nil, report{"All about " + in.Topic}, nil
	}, nil)

	ctx := context.Background()
	node, err := runner.Open(ctx, "sqlite::memory:", tools, &runner.Config{Migrate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	if err := node.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	var tasks mcptasks.Runner = node
	created, err := tasks.Create(ctx, "alice", mcptasks.CreateParams{Tool: "report", Arguments: json.RawMessage(`{"topic":"tides"}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	var last *mcptasks.Task
	for task, err := range tasks.Watch(ctx, "alice", created.ID) {
		if err != nil {
			fmt.Println(err)
			return
		}
		last = task
	}
	fmt.Println(last.Status, string(last.Outcome.Result))

	_, err = tasks.Get(ctx, "bob", created.ID)
	fmt.Println(errors.Is(err, mcptasks.ErrNotFound))
	// Output:
	// completed {"content":[{"type":"text","text":"{\"text\":\"All about tides\"}"}],"structuredContent":{"text":"All about tides"}}
	// true
}
