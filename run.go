package mcptasks

import "github.com/mcptasks/mcptasks/internal/toolcall"

// Run is one execution of a handler. Its methods are safe for concurrent use,
// and must not be called after the handler has returned.
type Run struct{ state *toolcall.Run }

// TaskID returns the id of the task, "" for a tool that forbids tasks.
func (r *Run) TaskID() string { return r.state.TaskID() }

// Attempt returns 1 for the first attempt and one more after each error that
// was retried. Runs after a recovery, a shutdown or a snooze are the same attempt.
func (r *Run) Attempt() int { return r.state.Attempt() }

// Progress tells whoever polls the task how far the work is: the message if
// there is one, else "done/total". A total of 0 or less means that it is not
// known. Of reports that follow each other within 100 ms the latest is recorded, at
// their end. Progress returns when the report is recorded, left for that, or dropped;
// a report is never worth failing a run for.
func (r *Run) Progress(done, total float64, message string) {
	r.state.Report(done, total, message)
}
