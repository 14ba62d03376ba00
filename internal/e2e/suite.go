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
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
)

// Run runs the suite. open returns the URL of a fresh, migrated database.
func Run(t *testing.T, open func(t *testing.T) Database) {
	for name, test := range map[string]func(*testing.T, Database){
		"handle, progress, result":        handleToResult,
		"steps survive a retry":           stepsSurviveRetry,
		"cancel ends the running handler": cancelRunning,
		"cancel before pickup":            cancelBeforePickup,
		"a client without tasks":          plainClient,
		"what handlers return":            handlerReturns,
		"hostile handlers":                hostileHandlers,
		"run timeout":                     runTimeout,
		"snooze":                          snooze,
		"stop hands the task on":          stopHandsOn,
		"a node without the tool":         withoutTheTool,
		"start":                           start,
		"some queues":                     someQueues,
		"a question frees the slot":       questionFreesTheSlot,
		"several questions":               severalQuestions,
		"unanswered":                      unanswered,
		"a key of another question":       keyOfAnother,
		"cancel while parked":             cancelParked,
		"idempotent create, limits, list": idempotentCreate,
		"before the task":                 beforeTheTask,
		"inline wait":                     inlineWait,
		"helper tools":                    helperTools,
		"a repeated call":                 repeatedCall,
		"both generations":                bothGenerations,
		"hostile input":                   hostileInput,
		"an operator sees all of a task":  operatorShows,
		"an operator without tools":       operatorWithoutTools,
		"a node's operator":               nodeOperator,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

type noArgs struct{}

func done(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

func handleToResult(t *testing.T, db Database) {
	type args struct {
		Name string `json:"name"`
	}
	type output struct {
		Greeting string `json:"greeting"`
		Big      int64  `json:"big"`
	}
	reported, goOn := make(chan string, 1), make(chan struct{})
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "greet"}, func(_ context.Context, run *mcptasks.Run, in args) (*mcp.CallToolResult, output, error) {
		run.Progress(2, 5, "")
		reported <- run.TaskID()
		<-goOn
		return nil, output{Greeting: "Hello, " + in.Name, Big: 1<<53 - 1}, nil
	}, nil)
	p := serve(t, db, tools, true, nil, nil)

	handle := p.call(t, "greet", map[string]any{"name": "\x00 ☃"})
	if handle.Status != mcptasks.StatusWorking || *handle.TTLMs != 24*60*60*1000 || handle.PollIntervalMs != 1000 {
		t.Errorf("handle = %+v", handle)
	}
	if id := receive(t, "progress", reported); id != handle.TaskID {
		t.Errorf("the handler ran task %s, the handle is %s", id, handle.TaskID)
	}
	if got := p.get(t, handle.TaskID); got.Status != mcptasks.StatusWorking || got.StatusMessage != "2/5" {
		t.Errorf("while running: %s %q", got.Status, got.StatusMessage)
	}
	close(goOn)
	got := p.ended(t, handle.TaskID)
	if got.Status != mcptasks.StatusCompleted {
		t.Fatalf("ended %s: %v", got.Status, got.Error)
	}
	var result struct {
		ResultType        string          `json:"resultType"`
		StructuredContent json.RawMessage `json:"structuredContent"`
	}
	if err := json.Unmarshal(got.Result, &result); err != nil {
		t.Fatal(err)
	}
	var structured output
	if err := json.Unmarshal(result.StructuredContent, &structured); err != nil {
		t.Fatal(err)
	}
	if want := (output{"Hello, \x00 ☃", 1<<53 - 1}); structured != want || result.ResultType != "complete" {
		t.Errorf("result = %s", got.Result)
	}
}

func stepsSurviveRetry(t *testing.T, db Database) {
	var fetched, attempts atomic.Int32
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "flaky"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		attempts.Store(int32(run.Attempt()))
		n, err := mcptasks.Step(ctx, run, "fetch", func(context.Context) (int32, error) { return fetched.Add(1), nil })
		if err != nil {
			return nil, nil, err
		}
		if run.Attempt() < 3 {
			return nil, nil, errors.New("the password is hunter2")
		}
		return nil, map[string]any{"n": n}, nil
	}, &mcptasks.ToolOptions{MaxAttempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }})
	p := serve(t, db, tools, true, nil, nil)

	got := p.ended(t, p.call(t, "flaky", nil).TaskID)
	if got.Status != mcptasks.StatusCompleted || !strings.Contains(string(got.Result), `"n":1`) {
		t.Errorf("ended %s with %s %v", got.Status, got.Result, got.Error)
	}
	if fetched.Load() != 1 || attempts.Load() != 3 {
		t.Errorf("the step ran %d times, the last attempt was %d", fetched.Load(), attempts.Load())
	}
}

// blocking returns a tool whose handler says that it has begun, waits for its
// context's end and says the cause.
func blocking(opts *mcptasks.ToolOptions) (tools *mcptasks.Tools, began chan string, causes chan error) {
	tools, began, causes = mcptasks.NewTools(), make(chan string, 10), make(chan error, 10)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "block"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		began <- run.TaskID()
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil, nil, ctx.Err()
	}, opts)
	return tools, began, causes
}

func cancelRunning(t *testing.T, db Database) {
	tools, began, causes := blocking(nil)
	p := serve(t, db, tools, true, nil, nil)
	id := p.call(t, "block", nil).TaskID
	receive(t, "run", began)

	for range 2 { // the extension's cancel is idempotent
		if got := p.request(t, mcpwire.MethodCancel, id, true, map[string]any{"taskId": id}); got.Error != nil {
			t.Fatal(got.Error)
		}
	}
	if cause := receive(t, "end of the context", causes); !errors.Is(cause, mcptasks.ErrCancelled) {
		t.Errorf("cause = %v", cause)
	}
	if got := p.get(t, id); got.Status != mcptasks.StatusCancelled || got.Result != nil || got.Error != nil {
		t.Errorf("after cancel: %+v", got)
	}
}

func cancelBeforePickup(t *testing.T, db Database) {
	tools, began, _ := blocking(nil)
	p := serve(t, db, tools, false, nil, nil)
	first := p.call(t, "block", nil).TaskID
	if _, err := p.Cancel(t.Context(), "", first); err != nil {
		t.Fatal(err)
	}
	second := p.call(t, "block", nil).TaskID
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ran := receive(t, "run", began); ran != second {
		t.Errorf("the cancelled task was run")
	}
	if _, err := p.Cancel(t.Context(), "", second); err != nil {
		t.Fatal(err)
	}
}

func plainClient(t *testing.T, db Database) {
	tools, _, causes := blocking(nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "quick"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return done("quick"), nil, nil
	}, nil)
	p := serve(t, db, tools, true, nil, &mcpserver.Options{PlainWait: 2 * time.Second})

	got := p.request(t, mcpwire.MethodCall, "quick", false, map[string]any{"name": "quick"})
	if got.Error != nil || !strings.Contains(string(got.Result), `"text":"quick"`) || !strings.Contains(string(got.Result), `"resultType":"complete"`) {
		t.Errorf("quick: %s %v", got.Result, got.Error)
	}
	got = p.request(t, mcpwire.MethodCall, "block", false, map[string]any{"name": "block"})
	if got.Error != nil || !strings.Contains(string(got.Result), `"isError":true`) || !strings.Contains(string(got.Result), "did not finish within 2s") {
		t.Errorf("block: %s %v", got.Result, got.Error)
	}
	if cause := receive(t, "end of the context", causes); !errors.Is(cause, mcptasks.ErrCancelled) {
		t.Errorf("cause = %v", cause)
	}
}

func stopHandsOn(t *testing.T, db Database) {
	tools, began, causes := blocking(nil)
	first := serve(t, db, tools, true, &runner.Config{Grace: time.Millisecond}, nil)
	id := first.call(t, "block", nil).TaskID
	receive(t, "run", began)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cause := receive(t, "end of the context", causes); !errors.Is(cause, mcptasks.ErrShutdown) {
		t.Errorf("cause = %v", cause)
	}

	after := mcptasks.NewTools()
	mcptasks.AddTool(after, &mcp.Tool{Name: "block"}, func(_ context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		return nil, map[string]any{"attempt": run.Attempt()}, nil
	}, nil)
	second := serve(t, db, after, true, nil, nil)
	if got := second.ended(t, id); got.Status != mcptasks.StatusCompleted || !strings.Contains(string(got.Result), `"attempt":1`) {
		t.Errorf("%s %s %v", got.Status, got.Result, got.Error)
	}
}

func withoutTheTool(t *testing.T, db Database) {
	tools, _, _ := blocking(nil)
	mcptasks.AddTool[noArgs, any](tools, &mcp.Tool{Name: "remote"}, nil, nil)
	server := serve(t, db, tools, true, nil, nil)
	id := server.call(t, "remote", nil).TaskID

	// Another tool of the same queue is worked here meanwhile.
	other := server.call(t, "block", nil).TaskID
	if _, err := server.Cancel(t.Context(), "", other); err != nil {
		t.Fatal(err)
	}
	server.ended(t, other)
	if got := server.get(t, id); got.Status != mcptasks.StatusWorking {
		t.Fatalf("a task whose tool is elsewhere is %s", got.Status)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	has := mcptasks.NewTools()
	mcptasks.AddTool(has, &mcp.Tool{Name: "remote"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return done("here"), nil, nil
	}, nil)
	serve(t, db, has, true, nil, nil)
	if got := server.ended(t, id); got.Status != mcptasks.StatusCompleted {
		t.Errorf("ended %s", got.Status)
	}
}

func start(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool[noArgs, any](tools, &mcp.Tool{Name: "remote"}, nil, nil)
	p := serve(t, db, tools, false, nil, nil)
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no tool has a handler") {
		t.Errorf("Start without a handler: %v", err)
	}
	if _, err := p.Create(t.Context(), "", mcptasks.CreateParams{Tool: "nobody's"}); !errors.Is(err, mcptasks.ErrUnknownTool) {
		t.Errorf("Create of an unknown tool: %v", err)
	}
	if _, err := p.Create(t.Context(), "", mcptasks.CreateParams{Tool: "remote", Arguments: json.RawMessage(`[1]`)}); !errors.Is(err, mcptasks.ErrInvalid) {
		t.Errorf("Create with arguments that are no object: %v", err)
	}

	blockTools, began, _ := blocking(nil)
	working := serve(t, db, blockTools, true, &runner.Config{Grace: time.Millisecond}, nil)
	if err := working.Start(t.Context()); err == nil {
		t.Error("a second Start of one node did nothing")
	}
	for range 2 { // a node may be started again after a stop
		working.call(t, "block", nil)
		receive(t, "run", began)
		if err := working.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := working.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
