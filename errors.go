package mcptasks

import (
	"errors"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// Errors of the methods of [Runner]; test with [errors.Is].
var (
	// ErrNotFound is returned for an id that is unknown, expired or another
	// owner's.
	ErrNotFound = errors.New("task not found")
	// ErrTerminal is returned by Cancel for a task that had already ended.
	ErrTerminal = errors.New("task has already ended")
	// ErrConflict is returned when a change is not a legal move of the task's
	// status, or lost a race to another one.
	ErrConflict = errors.New("task is not in a state that allows this")
	// ErrUnknownTool is returned by Create for a tool that is not among the
	// node's Tools.
	ErrUnknownTool = errors.New("unknown tool")
	// ErrLimit is returned by Create when a limit of the node is reached. The
	// error's text names it and may be shown to the client.
	ErrLimit = errors.New("limit reached")
	// ErrInvalid is returned for input that cannot be stored or understood. The
	// error's text says what is wrong with it and may be shown to the client.
	ErrInvalid = errors.New("invalid input")
)

// Causes with which a [Handler]'s context ends; see [context.Cause].
var (
	// ErrCancelled: the client, or an operator, cancelled the task.
	ErrCancelled = errors.New("task was cancelled")
	// ErrSuperseded: the run lost its task to another run. What it still does
	// is not recorded.
	ErrSuperseded = errors.New("another run has taken over the task")
	// ErrRunTimeout: the run took longer than the tool's RunTimeout. The task
	// has failed.
	ErrRunTimeout = errors.New("the run took longer than its limit")
	// ErrParked: the handler asked a question that has no answer yet. It runs
	// again, from the top, when the answer is there.
	ErrParked = errors.New("the task waits for an answer")
	// ErrShutdown: the node is stopping and its grace is over. The task runs
	// again elsewhere; no attempt is used.
	ErrShutdown = errors.New("the node is shutting down")
)

// ErrUnanswered is returned by [Run].Elicit, Sample and Ask when the question's
// deadline has passed without an answer. It is not the end: the handler decides.
var ErrUnanswered = errors.New("the question was not answered in time")

// Error says what failed, on which task, and what to do about it. Its Err is
// one of this package's errors or a cause for the log; Hint is for the operator.
// Neither is for a client unless Err is [ErrInvalid].
type Error struct {
	Op     string // what was being done: "create", "open", "migrate"
	TaskID string // empty when no task is concerned
	Err    error
	Hint   string // what to do, in one sentence; may be empty
}

// Error returns the operation, the task, the cause and the hint in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("mcptasks: " + e.Op)
	if e.TaskID != "" {
		b.WriteString(" task " + e.TaskID)
	}
	b.WriteString(": " + e.Err.Error())
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Permanent wraps an error that a [Handler] returns so that it is not retried,
// whatever attempts are left: the task ends with err as the tool's answer, the
// same as without retries. Permanent(nil) is nil.
func Permanent(err error) error { return toolcall.Permanent(err) }

// Snooze returns an error with which a [Handler] ends its run now and is run
// again, from the top, after d. No attempt is used. A negative d is zero.
func Snooze(d time.Duration) error { return toolcall.Snooze(d) }
