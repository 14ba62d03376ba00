package mcptasks

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"
)

// Run is one execution of a handler. Its methods are safe for concurrent use,
// and must not be called after the handler has returned.
type Run struct {
	taskID  string
	attempt int
	journal Journal

	mu        sync.Mutex
	steps     map[string]json.RawMessage
	questions map[string]Question

	entered    bool  // the arguments were accepted and the handler called
	returned   error // the handler's own error, before it was turned into an answer
	unanswered any   // *returned: what the handler returned and the SDK is to answer
}

// Journal is where a run's progress and steps are recorded: the database for a
// worker's run, memory for tasktest's. Its methods are called concurrently.
type Journal interface {
	// Report makes p the task's progress. It does not fail: a report that
	// cannot be recorded is dropped, and the next replaces it.
	Report(p Progress)
	// SaveStep records the result of the step of this key, whose work began
	// then and has just ended, once: it returns the result recorded under the
	// key, whoever recorded it, or an error when none could be, ErrSuperseded or
	// ErrCancelled if the run lost its task.
	SaveStep(ctx context.Context, key string, result json.RawMessage, began time.Time) (json.RawMessage, error)
	// Park stores those of the questions, all open, that are not stored yet,
	// makes the task wait for their answers and ends the run. It returns
	// ErrParked, or else why the run ended or could not be parked.
	Park(ctx context.Context, questions map[string]Question) error
}

// Recorded is what earlier runs of a task left behind.
type Recorded struct {
	Steps     map[string]json.RawMessage // results by key
	Questions map[string]Question        // by key
}

// Progress is how far a run has come.
type Progress struct {
	Done, Total float64 // Total is 0 when it is not known
	Message     string
}

// StatusMessage returns what a client is told: the message, or else 2/5.
func (p Progress) StatusMessage() string {
	switch {
	case p.Message != "":
		return p.Message
	case p.Total > 0:
		return fmt.Sprintf("%g/%g", p.Done, p.Total)
	default:
		return fmt.Sprintf("%g", p.Done)
	}
}

// NewRun returns the run of a task for a [Caller]: attempt counts from 1. It is for
// the packages that run tools; a tool's author is given a Run. The run adds to
// recorded's maps.
func NewRun(taskID string, attempt int, recorded Recorded, journal Journal) *Run {
	if recorded.Steps == nil {
		recorded.Steps = make(map[string]json.RawMessage)
	}
	return &Run{taskID: taskID, attempt: attempt, steps: recorded.Steps, questions: recorded.Questions, journal: journal}
}

// TaskID returns the id of the task, "" for a tool that forbids tasks.
func (r *Run) TaskID() string { return r.taskID }

// Attempt returns 1 for the first attempt and one more after each error that
// was retried. Runs after a recovery, a shutdown or a snooze are the same attempt.
func (r *Run) Attempt() int { return r.attempt }

// Progress tells whoever polls the task how far the work is: the message if
// there is one, else "done/total". A total of 0 or less means that it is not
// known. Of reports that follow each other within 100 ms the latest is recorded, at
// their end. Progress returns when the report is recorded, left for that, or dropped;
// a report is never worth failing a run for.
func (r *Run) Progress(done, total float64, message string) {
	r.journal.Report(Progress{Done: finite(done), Total: max(finite(total), 0), Message: message})
}

// finite makes zero of what is no number: a handler's 0/0.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// recorded returns the result of the step of this key, if there is one.
func (r *Run) recorded(key string) (json.RawMessage, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, ok := r.steps[key]
	return result, ok
}

func (r *Run) record(key string, result json.RawMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps[key] = result
}
