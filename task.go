package mcptasks

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Owner is who may see a task: the authenticated principal of the request that
// made it, or "" when the server has no authentication. It is a type of its
// own so that an owner and a task id cannot be swapped.
type Owner string

// Task is the record a client polls.
type Task struct {
	ID            string
	Owner         Owner
	Tool          string
	Status        Status
	StatusMessage string        // for people: the last progress, or why the task ended
	Outcome       *Outcome      // nil until the task completed or failed
	TTL           time.Duration // how long after CreatedAt the task may be asked for
	PollInterval  time.Duration // how long a client should wait between polls
	CreatedAt     time.Time
	UpdatedAt     time.Time
	FinishedAt    time.Time // zero until the task ended
	ExpiresAt     time.Time // zero until the task ended: a live task does not expire
}

// Outcome is what a task ended with: exactly one of Result and Error is set.
// It is a completed task's result, or a failed one's error.
type Outcome struct {
	// Result is the CallToolResult's JSON, as the same call would have been
	// answered without a task, less resultType and the server's _meta, which
	// belong to an answer.
	Result json.RawMessage
	// IsError is Result's isError: the tool ran and reported an error.
	IsError bool
	// Error is the JSON-RPC error that the call would have been answered with.
	Error *jsonrpc.Error
}

// Status returns the status that a task with this outcome ends in.
func (o *Outcome) Status() Status {
	if o.Error != nil {
		return StatusFailed
	}
	return StatusCompleted
}

// Failure returns the outcome of a task that failed with a JSON-RPC internal
// error whose message is the sentence given. The sentence reaches the client.
func Failure(sentence string) *Outcome {
	return &Outcome{Error: &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: sentence}}
}

// CreateParams is a tools/call to be made durable.
type CreateParams struct {
	Tool      string
	Arguments json.RawMessage // as the client sent them; nil means none
	Meta      json.RawMessage // the request's _meta; nil means none
}

// Runner is the door to the tasks of one database. It is implemented by
// runner.Node. All methods are safe for concurrent use, and none joins a
// caller's transaction. An id that is unknown, expired or another owner's gives
// [ErrNotFound] from each of them, and nothing else tells the three apart.
type Runner interface {
	// Create commits a new working task with its job and returns it. It
	// returns ErrUnknownTool, or ErrInvalid for arguments that are not a JSON
	// object; the tool's schema is checked when the tool runs.
	Create(ctx context.Context, owner Owner, params CreateParams) (*Task, error)

	// Get returns the task as it is now.
	Get(ctx context.Context, owner Owner, id string) (*Task, error)

	// Update stores answers to a task's questions by their keys. Keys that no
	// question is waiting under are ignored, as MCP asks.
	Update(ctx context.Context, owner Owner, id string, responses map[string]json.RawMessage) error

	// Cancel moves the task to cancelled and ends its run, wherever it is. It
	// returns the task as it is afterwards; one that had ended before is
	// returned unchanged together with ErrTerminal.
	Cancel(ctx context.Context, owner Owner, id string) (*Task, error)

	// Watch yields the task as it is now, then again after each change, until
	// it has ended, ctx is done (ctx's error is yielded), or a read fails.
	// Changes that follow each other closely may be yielded as one.
	Watch(ctx context.Context, owner Owner, id string) iter.Seq2[*Task, error]
}
