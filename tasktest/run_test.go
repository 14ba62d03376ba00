package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

func TestErrorsAreRetried(t *testing.T) {
	opts := &mcptasks.ToolOptions{
		MaxAttempts: 3,
		Backoff:     func(errors int) time.Duration { return time.Duration(errors) * time.Minute },
	}
	task := newTask(t, opts, func(_ context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		return nil, fmt.Errorf("no luck at attempt %d", run.Attempt())
	})
	for errors := 1; errors < 3; errors++ {
		end := task.Run()
		if want := time.Duration(errors) * time.Minute; !end.Again || end.After != want || end.Cause == nil {
			t.Errorf("error %d: the run ended with %+v, want a wait of %s", errors, end, want)
		}
		if task.Attempts() != errors {
			t.Errorf("error %d: %d attempts used", errors, task.Attempts())
		}
		wantStatus(t, task, mcptasks.StatusWorking)
	}
	if end := task.Run(); end.Again || end.After != 0 {
		t.Errorf("the last error: the run ended with %+v", end)
	}
	wantStatus(t, task, mcptasks.StatusCompleted)
	if got := textOf(t, task); !task.Result().IsError || got != "no luck at attempt 3" {
		t.Errorf("the answer is %q", got)
	}
	if task.Attempts() != 3 {
		t.Errorf("%d attempts used, want 3", task.Attempts())
	}
}

func TestEndsWithoutRetry(t *testing.T) {
	tests := []struct {
		name   string
		handle body
		status mcptasks.Status
		says   string // in the result's text or the error's message
	}{
		{"isError", func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
			result := text("could not")
			result.IsError = true
			return result, nil
		}, mcptasks.StatusCompleted, "could not"},
		{"Permanent", func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
			return nil, mcptasks.Permanent(errors.New("never"))
		}, mcptasks.StatusCompleted, "never"},
		{"JSON-RPC error", func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
			return nil, &jsonrpc.Error{Code: -32002, Message: "not there"}
		}, mcptasks.StatusFailed, "not there"},
		{"panic", func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
			panic("boom")
		}, mcptasks.StatusFailed, "stopped unexpectedly"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 3}, test.handle)
			if end := task.Run(); end.Again || end.After != 0 {
				t.Errorf("the run ended with %+v", end)
			}
			wantStatus(t, task, test.status)
			if task.Attempts() != 0 {
				t.Errorf("%d attempts used", task.Attempts())
			}
			outcome := task.Outcome()
			if got := string(outcome.Result) + fmt.Sprint(outcome.Error); !strings.Contains(got, test.says) {
				t.Errorf("the outcome is %s, want it to say %q", got, test.says)
			}
			if (task.Result() != nil) != (test.status == mcptasks.StatusCompleted) {
				t.Errorf("a task that is %s has result %v", test.status, task.Result())
			}
		})
	}
}

func TestPanicStaysOutOfTheOutcome(t *testing.T) {
	task := newTask(t, nil, func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) { panic("secret") })
	end := task.Run()
	if end.Cause == nil || !strings.Contains(end.Cause.Error(), "secret") {
		t.Errorf("the cause is %v, want the panic's value", end.Cause)
	}
	if got := task.Outcome().Error.Message; strings.Contains(got, "secret") {
		t.Errorf("the client reads %q", got)
	}
}

func TestSDKValidation(t *testing.T) {
	type in struct {
		Topic string `json:"topic"`
	}
	type out struct {
		Pages int `json:"pages"`
	}
	tools := mcptasks.NewTools()
	outputSchema := map[string]any{"type": "object", "properties": map[string]any{"pages": map[string]any{"minimum": 1}}}
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report", OutputSchema: outputSchema}, func(_ context.Context, _ *mcptasks.Run, in in) (*mcp.CallToolResult, out, error) {
		return nil, out{len(in.Topic)}, nil
	}, nil)
	worker := tasktest.New(t, tools)

	good := worker.Task("report", in{"tides"})
	good.Run()
	wantStatus(t, good, mcptasks.StatusCompleted)
	if got := fmt.Sprint(good.Result().StructuredContent); got != "map[pages:5]" {
		t.Errorf("structured content %s", got)
	}

	badInput := worker.Task("report", map[string]any{"topic": 7})
	badInput.Run()
	wantStatus(t, badInput, mcptasks.StatusCompleted)
	if !badInput.Result().IsError {
		t.Errorf("arguments against the schema gave %s", badInput.Outcome().Result)
	}

	badOutput := worker.Task("report", in{""})
	badOutput.Run()
	wantStatus(t, badOutput, mcptasks.StatusFailed)
}

func TestSnooze(t *testing.T) {
	var attempts []int
	task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		attempts = append(attempts, run.Attempt())
		if _, err := mcptasks.Step(ctx, run, "ask", done); err != nil {
			return nil, err
		}
		if len(attempts) == 1 {
			return nil, mcptasks.Snooze(time.Hour)
		}
		return text("ready"), nil
	})
	if end := task.Run(); !end.Again || end.After != time.Hour || end.Cause != nil {
		t.Errorf("the run ended with %+v", end)
	}
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	if !slices.Equal(attempts, []int{1, 1}) || task.Attempts() != 0 {
		t.Errorf("attempts %v, %d used", attempts, task.Attempts())
	}
}

func TestRunTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var task *tasktest.Task
		task = newTask(t, &mcptasks.ToolOptions{MaxAttempts: 3, RunTimeout: 10 * time.Minute},
			func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
				<-ctx.Done()
				if cause := context.Cause(ctx); !errors.Is(cause, mcptasks.ErrRunTimeout) {
					t.Errorf("the run's context ended with %v", cause)
				}
				if got := task.Status(); got != mcptasks.StatusFailed {
					t.Errorf("a run over its limit is still going on and the status is %s", got)
				}
				run.Progress(1, 1, "late")
				if _, err := mcptasks.Step(context.WithoutCancel(ctx), run, "late", done); !errors.Is(err, mcptasks.ErrRunTimeout) {
					t.Errorf("a step after the run's limit returned %v", err)
				}
				return text("late"), nil
			})
		end := task.Run()
		wantCause(t, end, mcptasks.ErrRunTimeout)
		wantStatus(t, task, mcptasks.StatusFailed)
		wantSteps(t, task)
		if end.Again || task.Attempts() != 0 || len(task.Progress()) != 0 {
			t.Errorf("the run ended with %+v, %d attempts, progress %v", end, task.Attempts(), task.Progress())
		}
	})
}

func TestProgressOfAllRuns(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.KillAfter("fetch")
	task.Run()
	task.Run()
	want := []tasktest.Progress{{Done: 0, Total: 2}, {Done: 0, Total: 2}, {Done: 1, Total: 2}}
	if got := task.Progress(); !slices.Equal(got, want) {
		t.Errorf("progress %v, want %v", got, want)
	}
}

// Both functions run, and both steps return the result that was recorded first.
func TestConcurrentStepsOfOneKey(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		var got [2]int
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				got[i], _ = mcptasks.Step(ctx, run, "draw", func(context.Context) (int, error) {
					both.Done()
					both.Wait()
					return i + 1, nil
				})
			})
		}
		wg.Wait()
		if got[0] == 0 || got[0] != got[1] {
			return nil, fmt.Errorf("the steps returned %v", got)
		}
		return text("same"), nil
	})
	task.Run()
	if got := textOf(t, task); got != "same" {
		t.Error(got)
	}
	wantSteps(t, task, "draw")
	if task.StepRuns("draw") != 2 {
		t.Errorf("run %d times, want 2", task.StepRuns("draw"))
	}
}

func TestLeftoverGoroutineWritesNothing(t *testing.T) {
	var left *mcptasks.Run
	task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 2}, func(_ context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		left = run
		return nil, errors.New("again")
	})
	task.Run()
	left.Progress(1, 1, "late")
	if _, err := mcptasks.Step(context.Background(), left, "late", done); !errors.Is(err, mcptasks.ErrSuperseded) {
		t.Errorf("a step after the run's end returned %v", err)
	}
	wantSteps(t, task)
	if len(task.Progress()) != 0 {
		t.Errorf("progress %v", task.Progress())
	}
}

func TestStepKeyMustBeText(t *testing.T) {
	for _, key := range []string{"a\x00b", "\xff"} {
		task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 3}, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
			_, err := mcptasks.Step(ctx, run, key, done)
			return nil, err
		})
		wantCause(t, task.Run(), mcptasks.ErrInvalid)
		wantStatus(t, task, mcptasks.StatusCompleted)
		wantSteps(t, task)
	}
}
