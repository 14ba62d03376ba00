package mcptasks

import (
	"errors"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// Errors of the methods of [Runner] and of the operator's API. Test for them with
// [errors.Is].
var (
	// ErrNotFound is returned by every method that takes a task's id, if the id is
	// unknown, expired or another owner's.
	ErrNotFound = errors.New("task not found")
	// ErrTerminal is returned by Cancel for a task that has ended.
	ErrTerminal = errors.New("task has already ended")
	// ErrConflict is returned by the operator's Delete and Retry for a task that has
	// not ended.
	ErrConflict = errors.New("task is not in a state that allows this")
	// ErrUnknownTool is returned by Create for a tool that is not among the node's
	// Tools.
	ErrUnknownTool = errors.New("unknown tool")
	// ErrLimit is returned by Create, and by the operator's Retry, if the new task
	// would exceed a limit of the node: MaxArgumentBytes, MaxLiveTasks or MaxBacklog of
	// runner.Config. Other limits have other errors: MaxSteps and MaxQuestions give
	// ErrInvalid, and a result over MaxResultBytes fails its task.
	ErrLimit = errors.New("limit reached")
	// ErrInvalid is returned by Create, List and Answer for input that cannot be
	// understood or stored. [Step] and [Run].Ask return it for keys that cannot be
	// stored, and past MaxSteps and MaxQuestions; runner.Open and New for a wrong
	// Config.
	ErrInvalid = errors.New("invalid input")
)

// Causes with which a [Handler]'s context ends; see [context.Cause].
var (
	// ErrCancelled: the client or an operator cancelled the task.
	ErrCancelled = errors.New("task was cancelled")
	// ErrSuperseded: the run has lost its task to another run. What it still does is
	// not recorded.
	ErrSuperseded = errors.New("another run has taken over the task")
	// ErrRunTimeout: the run took longer than the tool's RunTimeout. The task has
	// failed.
	ErrRunTimeout = errors.New("the run took longer than its limit")
	// ErrParked: the handler asked a question that has no answer yet. It runs again,
	// from the top, when the answer is there.
	ErrParked = errors.New("the task waits for an answer")
	// ErrShutdown: the node is stopping and its grace is over. The task runs again,
	// perhaps on another node. No attempt is used.
	ErrShutdown = errors.New("the node is shutting down")
)

// ErrUnanswered is returned by [Run].Elicit, Sample and Ask if the question's deadline
// passed without an answer. The task goes on: the handler decides what to do.
var ErrUnanswered = errors.New("the question was not answered in time")

// Error says what failed, on which task, and what to do about it. Err is one of this
// package's errors, or a cause for the log. The hint is for the operator.
//
// A client may see the text of an Err that is [ErrInvalid] or [ErrLimit]: it says what is
// wrong with the client's request. Of any other error it may see at most which of this
// package's errors it is. Hints are not for clients.
type Error struct {
	Op     string // what failed: "create", "open", "migrate"
	TaskID string // "" if no task is concerned
	Err    error
	Hint   string // what to do, in one sentence; may be ""
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

// Permanent returns err as an error that is not retried, whatever attempts are left, for
// a [Handler] to return. The task ends with err as the tool's answer. Permanent(nil) is
// nil.
func Permanent(err error) error { return toolcall.Permanent(err) }

// Snooze returns an error for a [Handler] to return that wants to run again, from the
// top, after d. No attempt is used. A negative d is 0.
func Snooze(d time.Duration) error { return toolcall.Snooze(d) }
