package tasktest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

// twoSteps does what a good tool does: it has each effect in a step.
func twoSteps(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
	for i, key := range []string{"fetch", "write"} {
		run.Progress(float64(i), 2, "")
		if _, err := mcptasks.Step(ctx, run, key, done); err != nil {
			return nil, err
		}
	}
	return text("written"), nil
}

func TestKillAfter(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.KillAfter("fetch")
	end := task.Run()
	wantCause(t, end, tasktest.ErrKilled)
	if !end.Again || end.After != 0 {
		t.Errorf("a killed run ended with %+v, want to be run again at once", end)
	}
	wantStatus(t, task, mcptasks.StatusWorking)
	wantSteps(t, task, "fetch")

	if end := task.Run(); end.Again || end.Cause != nil {
		t.Errorf("the second run ended with %+v", end)
	}
	wantStatus(t, task, mcptasks.StatusCompleted)
	wantSteps(t, task, "fetch", "write")
	if fetched, written := task.StepRuns("fetch"), task.StepRuns("write"); fetched != 1 || written != 1 {
		t.Errorf("fetched %d times, written %d times: want once each", fetched, written)
	}
	if task.Attempts() != 0 {
		t.Errorf("a death used %d attempts", task.Attempts())
	}
	if got := textOf(t, task); got != "written" {
		t.Errorf("result %q", got)
	}
}

func TestKillDuring(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.KillDuring("write")
	wantCause(t, task.Run(), tasktest.ErrKilled)
	wantSteps(t, task, "fetch")

	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	if fetched, written := task.StepRuns("fetch"), task.StepRuns("write"); fetched != 1 || written != 2 {
		t.Errorf("fetched %d times, written %d times: want the unrecorded step alone twice", fetched, written)
	}
}

func TestKillAfterLastStepLosesTheResult(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	task.KillAfter("write")
	task.Run()
	wantStatus(t, task, mcptasks.StatusWorking)
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	if task.StepRuns("write") != 1 {
		t.Errorf("a recorded step was run again")
	}
}

func TestKillAfterEachStepInTurn(t *testing.T) {
	task := newTask(t, nil, twoSteps)
	for _, key := range []string{"fetch", "write"} {
		task.KillAfter(key)
		wantCause(t, task.Run(), tasktest.ErrKilled)
	}
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	if fetched, written := task.StepRuns("fetch"), task.StepRuns("write"); fetched != 1 || written != 1 {
		t.Errorf("fetched %d times, written %d times: want once each", fetched, written)
	}
}

// After its death a tool that returns the errors of its steps does not reach the line
// after the step.
func TestKilledRunDoesNotGoOn(t *testing.T) {
	for name, kill := range map[string]func(*tasktest.Task){
		"after":  func(task *tasktest.Task) { task.KillAfter("fetch") },
		"during": func(task *tasktest.Task) { task.KillDuring("fetch") },
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
				if _, err := mcptasks.Step(ctx, run, "fetch", done); err != nil {
					return nil, err
				}
				sent++
				return text("sent"), nil
			})
			kill(task)
			task.Run()
			if sent != 0 {
				t.Errorf("the dead run sent %d times", sent)
			}
			task.Run()
			if sent != 1 {
				t.Errorf("sent %d times, want 1", sent)
			}
		})
	}
}

// A handler that does not notice its death goes on without harm.
func TestKilledRunCountsForNothing(t *testing.T) {
	ends := map[string]func(context.Context) (*mcp.CallToolResult, error){
		"result": func(context.Context) (*mcp.CallToolResult, error) { return text("too late"), nil },
		"error":  func(context.Context) (*mcp.CallToolResult, error) { return nil, errors.New("too late") },
		"permanent": func(context.Context) (*mcp.CallToolResult, error) {
			return nil, mcptasks.Permanent(errors.New("too late"))
		},
		"snooze": func(context.Context) (*mcp.CallToolResult, error) { return nil, mcptasks.Snooze(1) },
		"panic":  func(context.Context) (*mcp.CallToolResult, error) { panic("too late") },
	}
	for name, finish := range ends {
		t.Run(name, func(t *testing.T) {
			var task *tasktest.Task
			task = newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
				run.Progress(1, 2, "alive")
				task.Kill()
				if cause := context.Cause(ctx); !errors.Is(cause, tasktest.ErrKilled) {
					t.Errorf("the run's context ended with %v", cause)
				}
				run.Progress(2, 2, "dead")
				if _, err := mcptasks.Step(context.WithoutCancel(ctx), run, "late", done); !errors.Is(err, tasktest.ErrKilled) {
					t.Errorf("a step of a dead run returned %v", err)
				}
				return finish(ctx)
			})
			end := task.Run()
			wantCause(t, end, tasktest.ErrKilled)
			if !end.Again || end.After != 0 || task.Attempts() != 0 {
				t.Errorf("the run ended with %+v and %d attempts", end, task.Attempts())
			}
			wantStatus(t, task, mcptasks.StatusWorking)
			wantSteps(t, task)
			if got := task.Progress(); !slices.Equal(got, []tasktest.Progress{{Done: 1, Total: 2, Message: "alive"}}) {
				t.Errorf("progress %v", got)
			}
			if task.StepRuns("late") != 1 {
				t.Errorf("the work of a dead run counts: StepRuns is %d", task.StepRuns("late"))
			}
		})
	}
}

// The package finds such bugs: each of these tools works as long as nothing dies.
func TestUnsafeToolsAreCaught(t *testing.T) {
	t.Run("effect outside a step", func(t *testing.T) {
		sent := 0
		task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
			sent++
			_, err := mcptasks.Step(ctx, run, "file", done)
			return text("sent"), err
		})
		task.KillAfter("file")
		task.Run()
		task.Run()
		if sent != 2 {
			t.Errorf("sent %d times: the second run should have shown the mistake", sent)
		}
	})
	t.Run("key that differs from run to run", func(t *testing.T) {
		runs := 0
		task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
			runs++
			if _, err := mcptasks.Step(ctx, run, "charge-"+string(rune('a'+runs)), done); err != nil {
				return nil, err
			}
			_, err := mcptasks.Step(ctx, run, "file", done)
			return text("charged"), err
		})
		task.KillAfter("file")
		task.Run()
		task.Run()
		wantSteps(t, task, "charge-b", "file", "charge-c")
	})
	t.Run("step that swallows its error", func(t *testing.T) {
		var after int
		task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
			_, _ = mcptasks.Step(ctx, run, "reserve", done)
			after++
			return text("reserved"), nil
		})
		task.KillAfter("reserve")
		task.Run()
		wantStatus(t, task, mcptasks.StatusWorking)
		task.Run()
		if after != 2 {
			t.Errorf("went on %d times", after)
		}
	})
}

// Of concurrent steps, those before the death are recorded, those after it are not.
func TestKillAmongConcurrentSteps(t *testing.T) {
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		errs := make([]error, len(keys))
		var wg sync.WaitGroup
		for i, key := range keys {
			wg.Go(func() {
				_, errs[i] = mcptasks.Step(ctx, run, key, done)
				run.Progress(1, 0, key)
			})
		}
		wg.Wait()
		return text("all"), errors.Join(errs...)
	})
	task.KillAfter("d")
	task.Run()
	before := task.Steps()
	if len(before) == 0 || before[len(before)-1] != "d" {
		t.Fatalf("steps recorded: %q, want the last to be d", before)
	}
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	got := task.Steps()
	if !slices.Equal(got[:len(before)], before) {
		t.Errorf("steps %q, before the death %q", got, before)
	}
	if slices.Sort(got); !slices.Equal(got, keys) {
		t.Errorf("steps %q, want each of %q once", got, keys)
	}
	for _, key := range before {
		if task.StepRuns(key) != 1 {
			t.Errorf("step %s was recorded and run %d times", key, task.StepRuns(key))
		}
	}
}
