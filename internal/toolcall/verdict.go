package toolcall

import (
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Verdict is what the return of a run's handler means for its task.
type Verdict struct {
	// Outcome is what the task ends with. Nil when Snoozed.
	Outcome *Outcome
	// Retry says that Outcome is the error of an attempt: the task ends with it only
	// if no attempts are left.
	Retry bool
	// Snoozed says that the handler asked to run again After.
	Snoozed bool
	After   time.Duration
	// Cause is the handler's error, its panic, or why its result cannot be used. It is
	// for the log and the operator. Nil when the handler returned a good result.
	Cause error
}

// HasResult reports whether the handler returned a good result. Without one, a run that
// was interrupted says nothing about its task: a later run repeats it.
func (v Verdict) HasResult() bool { return !v.Snoozed && v.Cause == nil }

// Outcome has the fields of mcptasks.Outcome, which documents them.
type Outcome struct {
	Result  json.RawMessage
	IsError bool
	Error   *jsonrpc.Error
}

func failure(sentence string) *Outcome {
	return &Outcome{Error: &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: sentence}}
}

// Permanent returns err as an error that is not retried, or nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Snooze returns the error of a handler that asks to run again after d, or at once if d
// is negative.
func Snooze(d time.Duration) error { return &snoozeError{max(d, 0)} }

type snoozeError struct{ after time.Duration }

func (e *snoozeError) Error() string { return "snoozed for " + e.after.String() }
