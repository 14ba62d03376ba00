package mcptasks

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/names"
)

// TaskSupport says how a tool may be called, in the words of MCP's
// execution.taskSupport.
type TaskSupport string

const (
	// TaskOptional tools answer clients that declare tasks with a handle, and all others
	// with the result.
	TaskOptional TaskSupport = "optional"
	// TaskRequired tools reject calls of clients that do not declare tasks.
	TaskRequired TaskSupport = "required"
	// TaskForbidden tools run on the serving node while the client waits. There is no
	// task, and nothing is durable.
	TaskForbidden TaskSupport = "forbidden"
)

// ToolOptions describe how a tool's tasks run. The zero value works.
type ToolOptions struct {
	// TaskSupport says who may call the tool. Defaults to TaskOptional.
	TaskSupport TaskSupport

	// Before is called on the serving node before there is a task, with each call whose
	// arguments the SDK has accepted. If it returns a result, that is the answer, and no
	// task is made. If it returns an error, that is answered as a handler's error is. If
	// it returns nil, the task is made. Defaults to none.
	//
	// A result with InputRequests asks the client (protocol 2026-07-28, SEP-2322). The
	// client calls again, with the answers in req.Params.InputResponses. Answers that are
	// there when Before returns nil are kept for the task: run.Elicit, Sample and Ask
	// return them under the same keys without asking.
	//
	// A 2025-11-25 client that asked for a task can read nothing but a handle: for its
	// calls the result is dropped and the task is made. The handler must be able to work
	// without Before's questions.
	Before func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error)

	// InlineWait is how long the server waits for the result before it answers a client
	// that declares tasks with the handle. If the task ends in that time, the result is
	// the answer. The wait ends early if the task asks a question. There is a task in
	// either case. Defaults to 0: no wait.
	InlineWait time.Duration

	// PlainWait is how long a client that does not declare tasks waits for the result.
	// Defaults to mcpserver's Options.PlainWait.
	PlainWait time.Duration

	// TTL is how long after its creation clients may ask for a task. A live task does
	// not expire. One that has ended is kept for at least the node's minimum retention.
	// Defaults to 24 hours.
	TTL time.Duration

	// PollInterval is how long clients are asked to wait between polls. Defaults to 1
	// second.
	PollInterval time.Duration

	// RunTimeout limits one run of the handler. A run that reaches it fails the task.
	// Defaults to 1 hour.
	RunTimeout time.Duration

	// Deadline limits the whole task, from its creation, with its retries and the time
	// that it waits for answers. A task that reaches it fails. Defaults to 0: none.
	Deadline time.Duration

	// QuestionDeadline is how long a question waits for its answer. Defaults to 7 days.
	QuestionDeadline time.Duration

	// MaxAttempts is how many errors of the handler end the task. With 1 the first error
	// is the answer. Defaults to 1.
	MaxAttempts int

	// Backoff returns how long to wait before the run that follows the given number of
	// errors (1 or more). It is called on the working node and must be safe for
	// concurrent use. Defaults to 1 second, doubled after each further error, at most 5
	// minutes, with a random change of up to 10% either way.
	Backoff func(errors int) time.Duration

	// Queue is the River queue of the tool's jobs: lower-case letters and digits, in
	// parts that are joined by one _ or -. Defaults to "default".
	Queue string

	// Priority is the River priority of the tool's jobs, 1 (first) to 4.
	// Defaults to 1.
	Priority int
}

func (o *ToolOptions) withDefaults() (ToolOptions, error) {
	var out ToolOptions
	if o != nil {
		out = *o
	}
	setDefault(&out.TaskSupport, TaskOptional)
	setDefault(&out.TTL, 24*time.Hour)
	setDefault(&out.PollInterval, time.Second)
	setDefault(&out.RunTimeout, time.Hour)
	setDefault(&out.QuestionDeadline, 7*24*time.Hour)
	setDefault(&out.MaxAttempts, 1)
	setDefault(&out.Queue, "default")
	setDefault(&out.Priority, 1)
	if out.Backoff == nil {
		out.Backoff = defaultBackoff
	}
	switch {
	case !slices.Contains([]TaskSupport{TaskOptional, TaskRequired, TaskForbidden}, out.TaskSupport):
		return out, fmt.Errorf("TaskSupport %q is none of optional, required, forbidden", out.TaskSupport)
	case out.TTL < time.Millisecond, out.PollInterval < time.Millisecond, out.RunTimeout < time.Millisecond:
		return out, fmt.Errorf("TTL, PollInterval and RunTimeout must be at least a millisecond (got %s, %s, %s)", out.TTL, out.PollInterval, out.RunTimeout)
	case out.InlineWait < 0 || out.PlainWait < 0:
		return out, fmt.Errorf("InlineWait and PlainWait must not be negative (%s, %s)", out.InlineWait, out.PlainWait)
	case out.Deadline < 0 || out.QuestionDeadline < time.Millisecond:
		return out, fmt.Errorf("a Deadline must not be negative (%s) and a QuestionDeadline at least a millisecond (%s)", out.Deadline, out.QuestionDeadline)
	case out.MaxAttempts < 1 || out.MaxAttempts > math.MaxInt16:
		return out, fmt.Errorf("MaxAttempts %d is not between 1 and %d", out.MaxAttempts, math.MaxInt16)
	case !names.IsQueue(out.Queue):
		return out, fmt.Errorf("the Queue %q is not a River queue name: %s", out.Queue, names.QueueRule)
	case out.Priority < 1 || out.Priority > 4:
		return out, fmt.Errorf("the Priority %d is not one of River's, 1 to 4", out.Priority)
	}
	return out, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func defaultBackoff(errors int) time.Duration {
	const first, most = time.Second, 5 * time.Minute
	wait := most
	if errors < 10 { // 2^9 seconds is more than most
		wait = min(first<<(max(errors, 1)-1), most)
	}
	return time.Duration(float64(wait) * (0.9 + 0.2*rand.Float64()))
}
