package tasktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// End says how a run ended.
type End struct {
	// Again says that the task is still working: a worker would run it again.
	Again bool
	// After is how long a worker would wait before it runs the task again.
	After time.Duration
	// Cause is what ended the run ([ErrKilled], ErrCancelled, ErrParked, ErrRunTimeout,
	// ErrShutdown), or the error that the handler returned, or its panic, or why its
	// result cannot be used. Nil if the handler returned a good result or snoozed.
	Cause error
}

// Run runs the handler once, as a worker would, and returns when the handler has returned.
// The test fails if the task has ended, waits for an answer, or is running.
func (t *Task) Run() End {
	t.worker.tb.Helper()
	journal, call, err := t.begin()
	if err != nil {
		t.worker.tb.Fatalf("tasktest: Run %s: %v", t.tool.Name, err)
	}
	verdict := t.worker.caller.Call(journal.ctx, call)
	end, failed, missed := t.settle(journal, verdict)
	if failed > 0 {
		end.After = max(t.tool.Options.Backoff(failed), 0)
	}
	if missed != nil {
		t.worker.tb.Errorf("tasktest: %s: the run ended without that step (its end: %v)", missed, end.Cause)
	}
	return end
}

// begin starts a run of the task.
func (t *Task) begin() (j *journal, call toolcall.Call, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.status.Terminal():
		return nil, call, fmt.Errorf("the task has ended: %s", t.status)
	case t.holder != nil:
		return nil, call, errors.New("the task is running")
	case t.status == mcptasks.StatusInputRequired:
		return nil, call, fmt.Errorf("the task waits for answers to %q", slices.Sorted(maps.Keys(t.open())))
	}
	j = &journal{task: t, plan: t.plan}
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
	j.timer = time.AfterFunc(t.tool.Options.RunTimeout, j.timeout)
	t.holder, t.plan = j, nil
	call = t.call
	call.Attempt, call.Journal = t.attempts+1, j
	call.Steps, call.Questions = maps.Clone(t.steps), maps.Clone(t.questions)
	return j, call, nil
}

// settle changes the task as the verdict says, if the run still holds it. failed is the
// number of errors so far if the task is retried, and otherwise 0. missed is the plan that
// the run did not come to, or nil.
func (t *Task) settle(j *journal, verdict toolcall.Verdict) (end End, failed int, missed *plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cause, lost := context.Cause(j.ctx), j.lost
	j.timer.Stop()
	j.lose(mcptasks.ErrSuperseded) // a goroutine that the handler left behind records nothing
	t.holder = nil
	if j.plan != nil && !j.plan.done {
		missed = j.plan
	}

	end.Cause = verdict.Cause
	switch {
	case errors.Is(cause, mcptasks.ErrParked) && !errors.Is(verdict.Cause, mcptasks.ErrParked):
		end.Cause = fmt.Errorf("%w, but the handler did not return the error of its question", lost)
		if verdict.Cause != nil {
			end.Cause = fmt.Errorf("%w: it returned: %w", end.Cause, verdict.Cause)
		}
	case lost != nil:
		end.Cause = lost
	case errors.Is(cause, mcptasks.ErrShutdown) && !verdict.HasResult():
		if end.Cause == nil {
			end.Cause = cause
		}
	case verdict.Snoozed:
		end.After = verdict.After
	case verdict.Retry:
		t.attempts++
		if t.attempts < t.tool.Options.MaxAttempts {
			failed = t.attempts
			break
		}
		t.finish((*mcptasks.Outcome)(verdict.Outcome))
	default:
		t.finish((*mcptasks.Outcome)(verdict.Outcome))
	}
	end.Again = t.status == mcptasks.StatusWorking
	return end, failed, missed
}
