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
	StatusMessage string              // for people: the last progress, or why the task ended
	Outcome       *Outcome            // nil until the task completed or failed
	TTL           time.Duration       // how long after CreatedAt the task may be asked for
	PollInterval  time.Duration       // how long a client should wait between polls
	Questions     map[string]Question // the open ones, by key, while the status is input_required
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

// CreateParams is a tools/call to be made durable.
type CreateParams struct {
	Tool      string
	Arguments json.RawMessage // as the client sent them; nil means none
	Meta      json.RawMessage // the request's _meta; nil means none

	// TTL is the one the client asked for, where that is less than the tool's. 0
	// means the tool's.
	TTL time.Duration

	// Responses are answers that the client gave before there was a task, by the
	// keys of the questions that the handler will ask; see ToolOptions.Before.
	Responses map[string]json.RawMessage

	// IdempotencyKey names the call. A second call of the owner's, of the same
	// tool under the same key, with the same arguments, gets the task that the
	// first one made, until that expires. Empty means none.
	IdempotencyKey string
}

// Page is a part of a list of tasks, newest first, without outcomes and questions:
// a task whose result is an error has an Outcome that says this alone.
type Page struct {
	Tasks []*Task
	// Next is the cursor of the page that follows, "" on the last one.
	Next string
}

// Runner is the door to the tasks of one database. It is implemented by
// runner.Node. All methods are safe for concurrent use, and none joins a
// caller's transaction. An id that is unknown, expired or another owner's gives
// [ErrNotFound] from each of them, and nothing else tells the three apart.
type Runner interface {
	// Create commits a new working task with its job and returns it, or the
	// task that has the call's idempotency key. It returns ErrUnknownTool;
	// ErrInvalid for arguments that are not a JSON object, or not those of the
	// key's task; ErrLimit. The tool's schema is checked when the tool runs.
	Create(ctx context.Context, owner Owner, params CreateParams) (*Task, error)

	// Get returns the task as it is now.
	Get(ctx context.Context, owner Owner, id string) (*Task, error)

	// List returns the owner's tasks from cursor on, "" for the first page, at
	// most limit of them (1 to 1000; 0 means 100). A cursor that is unknown, or
	// was another owner's, is ErrInvalid.
	List(ctx context.Context, owner Owner, cursor string, limit int) (*Page, error)

	// Answer stores answers to a task's questions by their keys. Keys that no
	// question is waiting under are ignored, as MCP asks; an answer that is none,
	// by its question's method and schema, is ErrInvalid and nothing is stored.
	// The last open question's answer makes the handler run again.
	Answer(ctx context.Context, owner Owner, id string, responses map[string]json.RawMessage) error

	// Cancel moves the task to cancelled and ends its run, wherever it is. It
	// returns the task as it is afterwards; one that had ended before is
	// returned unchanged together with ErrTerminal.
	Cancel(ctx context.Context, owner Owner, id string) (*Task, error)

	// Watch yields the task as it is now, then again after each change, until
	// it has ended, ctx is done (ctx's error is yielded), or a read fails.
	// Changes that follow each other closely may be yielded as one.
	Watch(ctx context.Context, owner Owner, id string) iter.Seq2[*Task, error]
}
