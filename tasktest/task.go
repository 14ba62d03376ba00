package tasktest

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/question"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// Task is one durable call of a tool. Its methods are safe for concurrent use,
// also by the handler that runs: a step may cancel its own task.
type Task struct {
	worker *Worker
	tool   *mcptasks.Tool
	call   toolcall.Call // what all runs have in common

	mu        sync.Mutex
	status    mcptasks.Status
	outcome   *mcptasks.Outcome
	attempts  int
	steps     map[string]json.RawMessage
	order     []string
	stepRuns  map[string]int
	questions map[string]question.Question // all that were ever asked
	progress  []Progress

	holder *journal // of the run in progress
	plan   *plan    // for the next run
}

// ID returns what the handler's Run has as TaskID.
func (t *Task) ID() string { return t.call.TaskID }

// Status returns where the task stands.
func (t *Task) Status() mcptasks.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// Outcome returns what the task completed or failed with, nil until then and
// for a task that was cancelled.
func (t *Task) Outcome() *mcptasks.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcome
}

// Result returns the tool result the task completed with, as a client reads it.
// It is nil for a task that did not complete.
func (t *Task) Result() *mcp.CallToolResult {
	t.worker.tb.Helper()
	outcome := t.Outcome()
	if outcome == nil || outcome.Error != nil {
		return nil
	}
	var result mcp.CallToolResult
	if err := json.Unmarshal(outcome.Result, &result); err != nil {
		t.worker.tb.Fatalf("tasktest: a client cannot read the result of %s: %v", t.tool.Name, err)
	}
	return &result
}

// Attempts returns how many errors of the handler count against the tool's
// MaxAttempts so far.
func (t *Task) Attempts() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.attempts
}

// Steps returns the keys of the recorded steps, in the order they were recorded.
func (t *Task) Steps() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.order)
}

// StepRuns returns how many times the work of the step was done, over all runs:
// how often its function was run and returned a value. It is more than 1 when a
// run died before the step was recorded. Calls that returned an error are not
// counted.
func (t *Task) StepRuns(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stepRuns[key]
}

// Progress is a report that a handler made with Run.Progress.
type Progress struct {
	Done, Total float64 // Total is 0 if it is not known
	Message     string
}

// Progress returns every report that was made the task's, oldest first.
func (t *Task) Progress() []Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.progress)
}

// finish moves the task to its end. The caller holds mu.
func (t *Task) finish(outcome *mcptasks.Outcome) {
	t.outcome = outcome
	t.status = outcome.Status()
}
