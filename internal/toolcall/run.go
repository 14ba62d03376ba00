package toolcall

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/question"
)

// Journal records what a run does: in the database for a worker's run, in memory for
// tasktest's. Its methods are called concurrently.
type Journal interface {
	// Report records the run's progress. total is 0 if it is not known. A report that
	// cannot be recorded is dropped; the next one replaces it.
	Report(done, total float64, message string)

	// SaveStep records the result of a step, whose work began then and has just ended.
	// A key has one result: SaveStep returns the one recorded first, which may be
	// another run's. If none can be recorded it returns an error: ErrSuperseded or
	// ErrCancelled if the run has lost its task.
	SaveStep(ctx context.Context, key string, result json.RawMessage, began time.Time) (json.RawMessage, error)

	// Park records those of the open questions that are not recorded yet, makes the
	// task wait for their answers, and ends the run. It returns ErrParked, or the
	// reason why the run ended otherwise or could not be parked.
	Park(ctx context.Context, questions map[string]question.Question) error
}

// Run is the state of one execution of a handler. Safe for concurrent use.
type Run struct {
	taskID  string
	attempt int
	journal Journal
	session *mcp.ServerSession // of the caller

	mu        sync.Mutex
	steps     map[string]json.RawMessage
	questions map[string]question.Question

	returned error // what the handler returned, before it became an answer
}

// NewRun returns the run of a call.
func NewRun(call Call) *Run {
	return &Run{taskID: call.TaskID, attempt: call.Attempt, journal: call.Journal, steps: call.Steps, questions: call.Questions}
}

type runKey struct{}

// contextRun returns the run of the [Caller] that made the call, or, in a call that a
// client made, one that records nothing.
func contextRun(ctx context.Context) *Run {
	if run, ok := ctx.Value(runKey{}).(*Run); ok {
		return run
	}
	return NewRun(Call{Attempt: 1, Journal: unrecorded{}})
}

// TaskID returns the task's id, or "" for a run without a task.
func (r *Run) TaskID() string { return r.taskID }

// Attempt returns 1, and one more after each error that was retried.
func (r *Run) Attempt() int { return r.attempt }

// Report records the run's progress. A number that is not finite becomes 0, a negative
// total becomes 0: unknown.
func (r *Run) Report(done, total float64, message string) {
	r.journal.Report(finite(done), max(finite(total), 0), message)
}

// finite keeps a handler's 0/0 out of JSON, which cannot hold it.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// Step returns the result recorded for the step, and whether there is one.
func (r *Run) Step(key string) (result json.RawMessage, recorded bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, recorded = r.steps[key]
	return result, recorded
}

// SaveStep records a step as [Journal].SaveStep does. This run, too, finds it from then
// on.
func (r *Run) SaveStep(ctx context.Context, key string, result json.RawMessage, began time.Time) (json.RawMessage, error) {
	recorded, err := r.journal.SaveStep(ctx, key, result, began)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.steps == nil {
		r.steps = make(map[string]json.RawMessage)
	}
	r.steps[key] = recorded
	return recorded, nil
}

// unrecorded is the journal of a run without a task.
type unrecorded struct{}

func (unrecorded) Report(float64, float64, string) {}

func (unrecorded) SaveStep(_ context.Context, _ string, result json.RawMessage, _ time.Time) (json.RawMessage, error) {
	return result, nil
}

func (unrecorded) Park(context.Context, map[string]question.Question) error {
	return Permanent(errors.New("mcptasks: a tool that forbids tasks cannot ask questions"))
}
