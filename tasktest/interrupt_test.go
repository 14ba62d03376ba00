package tasktest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

func TestCancelEndsTheRun(t *testing.T) {
	var task *tasktest.Task
	task = newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		task.Cancel()
		if cause := context.Cause(ctx); !errors.Is(cause, mcptasks.ErrCancelled) {
			t.Errorf("the run's context ended with %v", cause)
		}
		if got := task.Status(); got != mcptasks.StatusCancelled {
			t.Errorf("during the run the status is %s", got)
		}
		run.Progress(1, 1, "late")
		if _, err := mcptasks.Step(context.WithoutCancel(ctx), run, "late", done); !errors.Is(err, mcptasks.ErrCancelled) {
			t.Errorf("a step of a cancelled task returned %v", err)
		}
		return text("late"), nil
	})
	end := task.Run()
	wantCause(t, end, mcptasks.ErrCancelled)
	wantStatus(t, task, mcptasks.StatusCancelled)
	wantSteps(t, task)
	if end.Again || len(task.Progress()) != 0 {
		t.Errorf("the run ended with %+v, progress %v", end, task.Progress())
	}
}

func TestCancelAfter(t *testing.T) {
	task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 3}, twoSteps)
	task.CancelAfter("fetch")
	wantCause(t, task.Run(), mcptasks.ErrCancelled)
	wantStatus(t, task, mcptasks.StatusCancelled)
	wantSteps(t, task, "fetch")
	if task.Attempts() != 0 || task.StepRuns("write") != 0 {
		t.Errorf("%d attempts used, written %d times", task.Attempts(), task.StepRuns("write"))
	}
}

func TestCancelBetweenRuns(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.KillAfter("fetch")
	task.Run()
	task.Cancel()
	wantStatus(t, task, mcptasks.StatusCancelled)
	task.Cancel()
	wantStatus(t, task, mcptasks.StatusCancelled)
}

func TestCancelOfAnEndedTask(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.Run()
	task.Cancel()
	wantStatus(t, task, mcptasks.StatusCompleted)
}

// A client may cancel the task while the killed run still returns.
func TestCancelOfAKilledRun(t *testing.T) {
	var task *tasktest.Task
	task = newTask(t, nil, func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
		task.Kill()
		task.Cancel()
		return text("late"), nil
	})
	end := task.Run()
	wantCause(t, end, tasktest.ErrKilled)
	if end.Again {
		t.Errorf("the run ended with %+v", end)
	}
	wantStatus(t, task, mcptasks.StatusCancelled)
}

func TestShutdownUsesNoAttempt(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.ShutdownAfter("fetch")
	end := task.Run()
	wantCause(t, end, mcptasks.ErrShutdown)
	if !end.Again || end.After != 0 || task.Attempts() != 0 {
		t.Errorf("the run ended with %+v, %d attempts used", end, task.Attempts())
	}
	wantSteps(t, task, "fetch")
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	if task.StepRuns("fetch") != 1 {
		t.Errorf("fetched %d times", task.StepRuns("fetch"))
	}
}

// After a shutdown the run holds its task until it returns: its results are kept.
func TestShutdownKeepsWhatIsFinished(t *testing.T) {
	var task *tasktest.Task
	task = newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		_, err := mcptasks.Step(ctx, run, "fetch", func(context.Context) (bool, error) {
			task.Shutdown()
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		return text("in time"), nil
	})
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	wantSteps(t, task, "fetch")
}

// After a shutdown the task runs again, unless the handler returns a result.
func TestShutdownIsNotTheHandlersDoing(t *testing.T) {
	ends := map[string]func() (*mcp.CallToolResult, error){
		"error":          func() (*mcp.CallToolResult, error) { return nil, errors.New("stopped") },
		"permanent":      func() (*mcp.CallToolResult, error) { return nil, mcptasks.Permanent(errors.New("stopped")) },
		"JSON-RPC error": func() (*mcp.CallToolResult, error) { return nil, &jsonrpc.Error{Code: 1, Message: "stopped"} },
		"snooze":         func() (*mcp.CallToolResult, error) { return nil, mcptasks.Snooze(time.Hour) },
		"panic":          func() (*mcp.CallToolResult, error) { panic("stopped") },
	}
	for name, finish := range ends {
		t.Run(name, func(t *testing.T) {
			var task *tasktest.Task
			task = newTask(t, nil, func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
				task.Shutdown()
				return finish()
			})
			if end := task.Run(); !end.Again || end.After != 0 || end.Cause == nil || task.Attempts() != 0 {
				t.Errorf("the run ended with %+v, %d attempts used", end, task.Attempts())
			}
			wantStatus(t, task, mcptasks.StatusWorking)
		})
	}
}

func TestMistakesFailTheTest(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool[none, any](tools, &mcp.Tool{Name: "elsewhere"}, nil, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "plain"}, func(context.Context, *mcptasks.Run, none) (*mcp.CallToolResult, any, error) {
		return nil, nil, nil
	}, &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskForbidden})
	mcptasks.AddTool(tools, &mcp.Tool{Name: "good"}, func(context.Context, *mcptasks.Run, none) (*mcp.CallToolResult, any, error) {
		return nil, nil, nil
	}, nil)
	tests := []struct {
		name, words string
		test        func(tb tasktest.TB)
	}{
		{"unknown tool", `no tool "nothing"`, func(tb tasktest.TB) { tasktest.New(tb, tools).Task("nothing", nil) }},
		{"no handler", "no handler", func(tb tasktest.TB) { tasktest.New(tb, tools).Task("elsewhere", nil) }},
		{"tasks forbidden", "forbids tasks", func(tb tasktest.TB) { tasktest.New(tb, tools).Task("plain", nil) }},
		{"arguments that are no object", "not a JSON object", func(tb tasktest.TB) { tasktest.New(tb, tools).Task("good", []int{1}) }},
		{"arguments that are no JSON", "unsupported type", func(tb tasktest.TB) { tasktest.New(tb, tools).Task("good", func() {}) }},
		{"run of an ended task", "has ended: completed", func(tb tasktest.TB) {
			task := newTask(tb, nil, twoSteps)
			task.Run()
			task.Run()
		}},
		{"run within a run", "is running", func(tb tasktest.TB) {
			var task *tasktest.Task
			task = newTask(tb, nil, func(context.Context, *mcptasks.Run) (*mcp.CallToolResult, error) {
				task.Run()
				return nil, nil
			})
			task.Run()
		}},
		{"kill after a step that is not", `KillAfter("fecth")`, func(tb tasktest.TB) {
			task := newTask(tb, nil, twoSteps)
			task.KillAfter("fecth")
			task.Run()
			wantStatus(t, task, mcptasks.StatusCompleted)
		}},
		{"kill after a recorded step", "recorded already", func(tb tasktest.TB) {
			task := newTask(tb, nil, twoSteps)
			task.KillAfter("fetch")
			task.Run()
			task.KillAfter("fetch")
		}},
		{"two plans", `already has the plan KillAfter("fetch")`, func(tb tasktest.TB) {
			task := newTask(tb, nil, twoSteps)
			task.KillAfter("fetch")
			task.KillDuring("write")
		}},
		{"kill without a run", "Kill: no run", func(tb tasktest.TB) { newTask(tb, nil, twoSteps).Kill() }},
		{"shutdown without a run", "Shutdown: no run", func(tb tasktest.TB) { newTask(tb, nil, twoSteps).Shutdown() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantFailure(t, test.words, test.test) })
	}
}
