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
	// TaskOptional tools answer clients that know tasks with a handle, and all
	// others with the result.
	TaskOptional TaskSupport = "optional"
	// TaskRequired tools refuse clients that do not know tasks.
	TaskRequired TaskSupport = "required"
	// TaskForbidden tools run on the serving node while the client waits; no
	// task is made and nothing is durable.
	TaskForbidden TaskSupport = "forbidden"
)

// ToolOptions describe how a tool's tasks are run. The zero value works.
type ToolOptions struct {
	// TaskSupport says who may call the tool. Defaults to TaskOptional.
	TaskSupport TaskSupport

	// Before, if not nil, is called on the serving node for each call whose
	// arguments the SDK has accepted, before there is a task. A result that is
	// not nil is the answer, and no task is made: one with InputRequests asks the
	// client (on protocol 2026-07-28, SEP-2322) and is called again with the
	// answers in req.Params.InputResponses. When it returns nil, answers given so
	// are kept for the task: run.Elicit, Sample and Ask return them under the same
	// keys without asking. An error is answered as a handler's. A 2025-11-25 client
	// that asked for a task can read nothing else: for its calls a result is dropped
	// and the task is made, so that the handler must be able to do without.
	Before func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error)

	// InlineWait is how long a client that knows tasks is kept waiting for a
	// result before it gets the handle: a quick tool then answers plainly. It ends
	// when the task asks something. The task is made all the same. Defaults to none.
	InlineWait time.Duration

	// PlainWait is how long a client that does not know tasks waits for the
	// result. Defaults to mcpserver's Options.PlainWait.
	PlainWait time.Duration

	// TTL is how long after its creation a task may be asked for. A live task
	// does not expire, and one that has ended is kept for at least the node's
	// minimum retention. Defaults to 24 hours.
	TTL time.Duration

	// PollInterval is how long a client is asked to wait between polls.
	// Defaults to 1 second.
	PollInterval time.Duration

	// RunTimeout bounds one run of the handler. A run that reaches it fails the
	// task. Defaults to 1 hour.
	RunTimeout time.Duration

	// Deadline bounds the whole task, from its creation, with its retries and
	// the waiting for answers. A task that reaches it fails. Defaults to none.
	Deadline time.Duration

	// QuestionDeadline is how long a question waits for its answer. Defaults to
	// 7 days.
	QuestionDeadline time.Duration

	// MaxAttempts is how many errors of the handler end the task: with 1 the
	// first error is the answer. Defaults to 1.
	MaxAttempts int

	// Backoff returns how long to wait before the run that follows the given
	// number of errors (1 or more). Called on the working node; must be safe
	// for concurrent use. Defaults to 1 second, doubled by each further error,
	// at most 5 minutes, with a tenth of jitter either way.
	Backoff func(errors int) time.Duration

	// Queue is the River queue the tool's jobs go to: lower-case letters and digits,
	// in parts that are joined by one _ or -.
	// Defaults to "default".
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
