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

// Task is one durable call of a tool. Its methods are safe for concurrent use, by the
// handler too: a step may cancel its own task.
type Task struct {
	worker *Worker
	tool   *mcptasks.Tool
	call   toolcall.Call // the same for all runs

	mu        sync.Mutex
	status    mcptasks.Status
	outcome   *mcptasks.Outcome
	attempts  int
	steps     map[string]json.RawMessage
	order     []string
	stepRuns  map[string]int
	questions map[string]question.Question // all that were asked, by key
	progress  []Progress

	holder *journal // of the run in progress
	plan   *plan    // for the next run
}

// ID returns the task's id, which the handler reads with Run.TaskID.
func (t *Task) ID() string { return t.call.TaskID }

// Status returns the task's status.
func (t *Task) Status() mcptasks.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// Outcome returns what the task completed or failed with. It returns nil for a live task
// and for a cancelled one.
func (t *Task) Outcome() *mcptasks.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcome
}

// Result returns the result that the task completed with, as a client reads it. It returns
// nil for a task that has not completed.
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

// Attempts returns how many errors of the handler have counted against the tool's
// MaxAttempts.
func (t *Task) Attempts() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.attempts
}

// Steps returns the keys of the recorded steps, in the order in which they were recorded.
func (t *Task) Steps() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.order)
}

// StepRuns returns how often the step's function returned a result, in all runs together.
// It is more than 1 if a run died before the step was recorded. Calls that returned an
// error do not count.
func (t *Task) StepRuns(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stepRuns[key]
}

// Progress is one report of a handler, made with Run.Progress.
type Progress struct {
	Done, Total float64 // Total is 0 if it is not known
	Message     string
}

// Progress returns all recorded reports, oldest first.
func (t *Task) Progress() []Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.progress)
}

// finish ends the task with the outcome. The caller holds mu.
func (t *Task) finish(outcome *mcptasks.Outcome) {
	t.outcome = outcome
	t.status = outcome.Status()
}
