package mcptasks

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Owner is who may see a task: the authenticated principal of the request that created
// it, or "" if the server has no authentication. It is a type of its own so that an owner
// and a task's id cannot be swapped.
type Owner string

// Task is the record that a client polls.
type Task struct {
	ID            string
	Owner         Owner
	Tool          string
	Status        Status
	StatusMessage string              // for people: the last progress, or why the task ended
	Outcome       *Outcome            // nil until the task completed or failed
	TTL           time.Duration       // how long after CreatedAt clients may ask for the task
	PollInterval  time.Duration       // how long a client should wait between polls
	Questions     map[string]Question // the open ones, by key, while the status is input_required
	CreatedAt     time.Time
	UpdatedAt     time.Time
	FinishedAt    time.Time // zero until the task ended
	ExpiresAt     time.Time // zero until the task ended: a live task does not expire
}

// Outcome is what a completed or failed task ended with. Either Result or Error is set.
type Outcome struct {
	// Result is the JSON of the CallToolResult, as the same call without a task would
	// be answered. It lacks what belongs to a response: resultType, and the _meta that a
	// server adds.
	Result json.RawMessage
	// IsError is Result's isError: the tool ran and reported an error.
	IsError bool
	// Error is the JSON-RPC error that the call would be answered with.
	Error *jsonrpc.Error
}

// Status returns the status of a task that ended with this outcome.
func (o *Outcome) Status() Status {
	if o.Error != nil {
		return StatusFailed
	}
	return StatusCompleted
}

// CreateParams is a tools/call that becomes a task.
type CreateParams struct {
	Tool      string
	Arguments json.RawMessage // as the client sent them; nil: none
	Meta      json.RawMessage // the request's _meta; nil: none

	// TTL is the one that the client asked for. The task gets it if it is shorter than
	// the tool's. 0 means the tool's.
	TTL time.Duration

	// Responses are answers that the client gave before there was a task, by the keys of
	// the questions that the handler will ask; see ToolOptions.Before.
	Responses map[string]json.RawMessage

	// IdempotencyKey names the call. If the owner calls the tool again with the same key
	// and arguments, Create returns the task of the first call, until that task expires.
	// "" means none.
	IdempotencyKey string
}

// Page is a part of a list of tasks, newest first. Its tasks have no questions, and no
// outcomes but one: a task whose result is an error has an Outcome with IsError only.
type Page struct {
	Tasks []*Task
	// Next is the cursor of the next page, or "" on the last one.
	Next string
}

// Runner creates, reads and changes the tasks of one database. Package runner implements
// it. All methods are safe for concurrent use. None joins a transaction of the caller.
// Each returns [ErrNotFound] for an id that is unknown, expired or another owner's, so
// that a caller cannot tell these apart.
type Runner interface {
	// Create commits a new working task with its job and returns it. If a task has the
	// call's idempotency key, Create returns that one. It returns ErrUnknownTool;
	// ErrInvalid if the arguments are not a JSON object, or not those of the task with
	// the key; ErrLimit. It does not check the tool's schema: that is done when the tool
	// runs.
	Create(ctx context.Context, owner Owner, params CreateParams) (*Task, error)

	// Get returns the task as it is now.
	Get(ctx context.Context, owner Owner, id string) (*Task, error)

	// List returns a page of the owner's tasks: at most limit of them (1 to 1000; 0
	// means 100), from the cursor on. "" is the first page's cursor. A cursor that is
	// unknown, or another owner's, is ErrInvalid.
	List(ctx context.Context, owner Owner, cursor string, limit int) (*Page, error)

	// Answer stores responses to the task's open questions, by their keys. When no
	// question is open any more, the handler runs again. Keys of no open question are
	// ignored, as MCP asks. A response that is not an answer to its question
	// ([Question.Check]) is ErrInvalid; then nothing is stored.
	Answer(ctx context.Context, owner Owner, id string, responses map[string]json.RawMessage) error

	// Cancel makes the task cancelled, ends its run on whatever node it is, and returns
	// the task as it is afterwards. A task that had ended before is returned unchanged,
	// with ErrTerminal.
	Cancel(ctx context.Context, owner Owner, id string) (*Task, error)

	// Watch yields the task as it is now, and again after each change. It ends when the
	// task has ended, when ctx is done (it yields ctx's error), or when a read fails. It
	// may yield several quick changes as one.
	Watch(ctx context.Context, owner Owner, id string) iter.Seq2[*Task, error]
}
