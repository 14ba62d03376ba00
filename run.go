package mcptasks

import "github.com/mcptasks/mcptasks/internal/toolcall"

// Run is one execution of a [Handler]. Its methods are safe for concurrent use. Do not
// call them after the handler has returned.
type Run struct{ state *toolcall.Run }

// TaskID returns the id of the task, or "" if the tool forbids tasks.
func (r *Run) TaskID() string { return r.state.TaskID() }

// Attempt returns 1 for the first attempt, and one more after each error that was
// retried. A run after a recovery, a shutdown, a question or a snooze belongs to the same
// attempt.
func (r *Run) Attempt() int { return r.state.Attempt() }

// Progress records how far the work is, for clients that poll the task. They read the
// message, or "done/total" if it is empty. A total of 0 or less means that the total is
// not known.
//
// Of several reports within 100 ms the last one is recorded, at the end of that time.
// Progress never fails a run: a report that cannot be recorded is dropped.
func (r *Run) Progress(done, total float64, message string) {
	r.state.Report(done, total, message)
}
