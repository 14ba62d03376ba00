package tasktest

import (
	"errors"
	"fmt"

	"github.com/mcptasks/mcptasks"
)

// ErrKilled is the cause with which the context of a killed run ends, and the error of its
// steps from then on. A handler gets it in tests only: a handler in a killed process gets
// nothing.
var ErrKilled = errors.New("tasktest: the process was killed")

// Kill does to the run in progress what the death of its process does. The run's context
// ends with [ErrKilled]. Of what the run does from then on nothing is recorded: no step,
// no progress, no result. What was recorded before stays. No attempt is used. Call Kill
// from within the tool, or from another goroutine.
func (t *Task) Kill() {
	t.worker.tb.Helper()
	t.interrupt("Kill", func(j *journal) { j.lose(ErrKilled) })
}

// Shutdown does to the run in progress what a node does that stops and whose grace is
// over. The run's context ends with ErrShutdown. If the handler still returns a result,
// the task completes with it. Otherwise the task runs again.
func (t *Task) Shutdown() {
	t.worker.tb.Helper()
	t.interrupt("Shutdown", func(j *journal) { j.cancel(mcptasks.ErrShutdown) })
}

// Cancel cancels the task, as its client may at any time. The context of a run in progress
// ends with ErrCancelled, and what the run still does is not recorded. A task that has
// ended stays as it is.
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

// KillAfter kills the next run, as [Task.Kill] does, right after it has recorded the step
// with this key. The test fails if that run does not record the step.
func (t *Task) KillAfter(key string) {
	t.worker.tb.Helper()
	t.intend("KillAfter", key, true, func(j *journal) { j.lose(ErrKilled) })
}

// KillDuring kills the next run, as [Task.Kill] does, when the function of the step with
// this key has returned and its result is not recorded yet: the run after that calls the
// function again. The test fails if that run does not come to the step.
func (t *Task) KillDuring(key string) {
	t.worker.tb.Helper()
	t.intend("KillDuring", key, false, func(j *journal) { j.lose(ErrKilled) })
}

// ShutdownAfter calls [Task.Shutdown] right after the next run has recorded the step with
// this key. The test fails if that run does not record the step.
func (t *Task) ShutdownAfter(key string) {
	t.worker.tb.Helper()
	t.intend("ShutdownAfter", key, true, func(j *journal) { j.cancel(mcptasks.ErrShutdown) })
}

// CancelAfter calls [Task.Cancel] right after the next run has recorded the step with this
// key. The test fails if that run does not record the step.
func (t *Task) CancelAfter(key string) {
	t.worker.tb.Helper()
	t.intend("CancelAfter", key, true, func(j *journal) { j.task.cancel() })
}

// plan is what happens to a run when it comes to a step.
type plan struct {
	name     string
	key      string
	recorded bool // when the step is recorded; otherwise just before
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
		return fmt.Errorf("the next run already has the plan %s", t.plan)
	}
	t.plan = p
	return nil
}
