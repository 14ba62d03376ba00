package mcptasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// newRun returns a run of a task for which these steps are recorded.
func newRun(steps map[string]json.RawMessage, journal *memory) *mcptasks.Run {
	return mcptasks.NewRun(toolcall.Call{TaskID: "t1", Attempt: 1, Steps: steps, Journal: journal})
}

// verdictOf runs a handler once, with these steps recorded.
func verdictOf[In, Out any](t *testing.T, steps map[string]json.RawMessage, handler mcptasks.Handler[In, Out]) toolcall.Verdict {
	t.Helper()
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, handler, nil)
	caller, err := tools.Internal().NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	return caller.Call(t.Context(), toolcall.Call{TaskID: "t1", Attempt: 1, Tool: "report", Steps: steps, Journal: &memory{}})
}

// never returns a step's function that must not be called.
func never[T any](t *testing.T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) {
		t.Error("the step's function was run")
		var zero T
		return zero, nil
	}
}

func TestStepReturnsTheRecordedResult(t *testing.T) {
	journal := &memory{}
	run := newRun(map[string]json.RawMessage{"fetch": json.RawMessage(`{"title":"Tides"}`)}, journal)
	got, err := mcptasks.Step(t.Context(), run, "fetch", never[page](t))
	if err != nil || got.Title != "Tides" {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(journal.steps) != 0 {
		t.Errorf("recorded again: %s", journal.steps)
	}
}

func TestStepIsRunOnceInARun(t *testing.T) {
	run := newRun(nil, &memory{})
	first, err := mcptasks.Step(t.Context(), run, "draw", func(context.Context) (int, error) { return 7, nil })
	if err != nil || first != 7 {
		t.Fatalf("got %d, %v", first, err)
	}
	second, err := mcptasks.Step(t.Context(), run, "draw", never[int](t))
	if err != nil || second != 7 {
		t.Errorf("the second time: %d, %v", second, err)
	}
}

// The first run gets what later runs get: unexported fields are lost, and an integer in an
// any is a float64.
func TestStepGoesThroughJSONOnTheFirstRun(t *testing.T) {
	type draft struct {
		Title  string
		Any    any
		Secret string `json:"-"`
		hidden int
	}
	journal := &memory{}
	run := newRun(nil, journal)
	first, err := mcptasks.Step(t.Context(), run, "write", func(context.Context) (draft, error) {
		return draft{Title: "Tides", Any: 7, Secret: "s", hidden: 1}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (draft{Title: "Tides", Any: 7.0}); !reflect.DeepEqual(first, want) {
		t.Errorf("the first run got %#v, want %#v", first, want)
	}
	later, err := mcptasks.Step(t.Context(), newRun(journal.steps, journal), "write", never[draft](t))
	if err != nil || !reflect.DeepEqual(first, later) {
		t.Errorf("a later run got %#v (%v), the first %#v", later, err, first)
	}
}

func TestStepReturnsWhatTheJournalHolds(t *testing.T) {
	journal := &memory{steps: map[string]json.RawMessage{"draw": json.RawMessage("1")}}
	run := newRun(nil, journal) // begun before the other run recorded the step
	got, err := mcptasks.Step(t.Context(), run, "draw", func(context.Context) (int, error) { return 2, nil })
	if err != nil || got != 1 {
		t.Errorf("got %d, %v: want the result recorded first", got, err)
	}
	if got, err = mcptasks.Step(t.Context(), run, "draw", never[int](t)); err != nil || got != 1 {
		t.Errorf("the second time: %d, %v", got, err)
	}
}

func TestStepErrorIsNotRecorded(t *testing.T) {
	journal := &memory{}
	run := newRun(nil, journal)
	failed := errors.New("no paper left")
	if _, err := mcptasks.Step(t.Context(), run, "print", func(context.Context) (int, error) { return 3, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want the function's error", err)
	}
	if len(journal.steps) != 0 {
		t.Errorf("recorded: %s", journal.steps)
	}
	got, err := mcptasks.Step(t.Context(), run, "print", func(context.Context) (int, error) { return 4, nil })
	if err != nil || got != 4 {
		t.Errorf("the next try: %d, %v", got, err)
	}
}

func TestStepReturnsTheCauseOfAnEndedContext(t *testing.T) {
	for _, cause := range []error{mcptasks.ErrCancelled, mcptasks.ErrSuperseded, mcptasks.ErrShutdown, mcptasks.ErrRunTimeout} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := mcptasks.Step(ctx, newRun(nil, &memory{}), "fetch", never[int](t))
		if !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
	}
}

func TestStepOfARunThatLostItsTask(t *testing.T) {
	run := newRun(nil, &memory{err: mcptasks.ErrSuperseded})
	for range 2 { // the run does not keep a rejected result
		_, err := mcptasks.Step(t.Context(), run, "fetch", func(context.Context) (int, error) { return 1, nil })
		if !errors.Is(err, mcptasks.ErrSuperseded) || !strings.Contains(err.Error(), `"fetch"`) {
			t.Errorf("got %v, want ErrSuperseded with the step's key", err)
		}
	}
}

func TestStepNeedsAKey(t *testing.T) {
	if _, err := mcptasks.Step(t.Context(), newRun(nil, &memory{}), "", never[int](t)); err == nil {
		t.Error("a step without a key was accepted")
	}
}

// Another attempt would make the same mistake again: the task ends, whatever attempts are
// left.
func TestStepMistakesArePermanent(t *testing.T) {
	recorded := map[string]json.RawMessage{"fetch": json.RawMessage(`"three"`)}
	tests := map[string]struct {
		says string
		step func(context.Context, *mcptasks.Run) error
	}{
		"result that is no JSON": {"not JSON", func(ctx context.Context, run *mcptasks.Run) error {
			_, err := mcptasks.Step(ctx, run, "open", func(context.Context) (func(), error) { return func() {}, nil })
			return err
		}},
		"recorded result of another type": {"not a int", func(ctx context.Context, run *mcptasks.Run) error {
			_, err := mcptasks.Step(ctx, run, "fetch", never[int](t))
			return err
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verdict := verdictOf(t, recorded, func(ctx context.Context, run *mcptasks.Run, _ nothing) (*mcp.CallToolResult, any, error) {
				return nil, nil, test.step(ctx, run)
			})
			if verdict.Retry || verdict.Cause == nil || !strings.Contains(verdict.Cause.Error(), test.says) {
				t.Errorf("verdict %+v, want an error for good that says %q", verdict, test.says)
			}
		})
	}
}

// All functions run, and all steps return the result that was recorded first.
func TestConcurrentStepsOfOneKey(t *testing.T) {
	const steps = 8
	run := newRun(nil, &memory{})
	var started, ended sync.WaitGroup
	started.Add(steps)
	var got [steps]int
	for i := range got {
		ended.Go(func() {
			value, err := mcptasks.Step(t.Context(), run, "draw", func(context.Context) (int, error) {
				started.Done()
				started.Wait()
				return i + 1, nil
			})
			if err != nil {
				t.Error(err)
			}
			got[i] = value
		})
	}
	ended.Wait()
	for _, value := range got {
		if value == 0 || value != got[0] {
			t.Fatalf("the steps returned %v, want one value", got)
		}
	}
}

func TestProgress(t *testing.T) {
	journal := &memory{}
	run := newRun(nil, journal)
	run.Progress(2, 5, "")
	run.Progress(2, 5, "reading")
	run.Progress(1.5, -1, "")
	run.Progress(math.NaN(), math.Inf(1), "lost")
	want := []progressReport{{2, 5, ""}, {2, 5, "reading"}, {1.5, 0, ""}, {0, 0, "lost"}}
	if !slices.Equal(journal.reports, want) {
		t.Errorf("reported %v, want %v", journal.reports, want)
	}
}
