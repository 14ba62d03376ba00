package tasktest

import (
	"errors"
	"fmt"

	"github.com/mcptasks/mcptasks"
)

// ErrKilled is the cause with which the context of a killed run ends, and the
// error of its steps from then on. No handler meets it outside a test: there,
// its process is gone.
var ErrKilled = errors.New("tasktest: the process was killed")

// Kill has the process of the run in progress die now: the run's context ends
// with [ErrKilled], and nothing it still does counts, neither steps nor progress
// nor what it returns. What was recorded before stays, and no attempt is used.
// Call it from within the tool, or from another goroutine.
func (t *Task) Kill() {
	t.worker.tb.Helper()
	t.interrupt("Kill", func(j *journal) { j.lose(ErrKilled) })
}

// Shutdown ends the run in progress as a node does that stops and whose grace is
// over: its context ends with ErrShutdown. A result that the handler still returns
// is the task's; anything else counts for nothing, and the task runs again.
func (t *Task) Shutdown() {
	t.worker.tb.Helper()
	t.interrupt("Shutdown", func(j *journal) { j.end(mcptasks.ErrShutdown) })
}

// Cancel cancels the task, as its client may at any time: a run in progress ends
// with ErrCancelled and nothing it still does counts. A task that has ended stays
// as it is.
func (t *Task) Cancel() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel()
}

func (t *Task) cancel() {
	if t.status.Terminal() {
		return
	}
	t.status = mcptasks.StatusCancelled
	if t.holder != nil {
		t.holder.lose(mcptasks.ErrCancelled)
	}
}

func (t *Task) interrupt(name string, act func(*journal)) {
	t.worker.tb.Helper()
	t.mu.Lock()
	holder := t.holder
	if holder != nil {
		act(holder)
	}
	t.mu.Unlock()
	if holder == nil {
		t.worker.tb.Errorf("tasktest: %s: no run of %s is in progress", name, t.tool.Name)
	}
}

// KillAfter has the next run's process die right after it has recorded the step
// of this key, as [Task.Kill] does. The test fails if that run records no such
// step.
func (t *Task) KillAfter(key string) {
	t.worker.tb.Helper()
	t.intend("KillAfter", key, true, func(j *journal) { j.lose(ErrKilled) })
}

// KillDuring is [Task.KillAfter] a moment earlier: the work of the step is done
// and nothing remembers it, so that the next run does it again.
func (t *Task) KillDuring(key string) {
	t.worker.tb.Helper()
	t.intend("KillDuring", key, false, func(j *journal) { j.lose(ErrKilled) })
}

// ShutdownAfter calls [Task.Shutdown] right after the next run has recorded the
// step of this key. The test fails if that run records no such step.
func (t *Task) ShutdownAfter(key string) {
	t.worker.tb.Helper()
	t.intend("ShutdownAfter", key, true, func(j *journal) { j.end(mcptasks.ErrShutdown) })
}

// CancelAfter calls [Task.Cancel] right after the next run has recorded the step
// of this key. The test fails if that run records no such step.
func (t *Task) CancelAfter(key string) {
	t.worker.tb.Helper()
	t.intend("CancelAfter", key, true, func(j *journal) { j.task.cancel() })
}

// plan is what is to happen to a run when it comes to a step.
type plan struct {
	name     string
	key      string
	recorded bool // after the step is recorded, not before
	act      func(*journal)
	done     bool
}

func (p *plan) String() string { return fmt.Sprintf("%s(%q)", p.name, p.key) }

func (t *Task) intend(name, key string, recorded bool, act func(*journal)) {
	t.worker.tb.Helper()
	if err := t.setPlan(&plan{name: name, key: key, recorded: recorded, act: act}); err != nil {
		t.worker.tb.Fatalf("tasktest: %s(%q): %v", name, key, err)
	}
}

func (t *Task) setPlan(p *plan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.steps[p.key]; ok {
		return errors.New("the step is recorded already, and no run does it again")
	}
	if t.plan != nil {
		return fmt.Errorf("the next run is already to meet %s", t.plan)
	}
	t.plan = p
	return nil
}
