package mcpserver

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
)

// Options describe how tools are served. Nil works.
type Options struct {
	// Owner returns the owner of the tasks that a request makes and may see. It is called
	// for each request that concerns a task, and when a 2025-11-25 session begins, and must
	// be safe for concurrent use. An error rejects the request. Defaults to the user id of
	// the bearer token that go-sdk's auth middleware verified, "" without one.
	//
	// A tasks/get that [NewHandler] answers without the SDK comes with a session of its own,
	// which has no client: it has neither an ID nor InitializeParams, and nothing can be sent
	// to it. What the client says of itself is in the params' _meta.
	Owner func(ctx context.Context, req mcp.Request) (mcptasks.Owner, error)

	// PlainWait is how long a client that does not know tasks waits for a tool's result.
	// After it the task is cancelled, and the answer is an error result that says so. The
	// time stops while the client is asked what the tool asks, and starts again with the
	// answer. Defaults to 30 seconds.
	PlainWait time.Duration

	// HelperTools adds the tools task_status, task_result, task_answer and task_cancel. A
	// task that takes longer than a client that does not know tasks waits is then not
	// cancelled. The answer names it, and these tools ask for it.
	HelperTools bool

	// IdempotencyMetaKey is a member of _meta that names a call, beside claudecode/toolUseId
	// and the Idempotency-Key header. A repeated call gets the task that the first one made.
	// Over HTTP this needs an owner.
	IdempotencyMetaKey string

	// Logger gets the errors whose cause clients must not see. Defaults to slog.Default().
	Logger *slog.Logger

	// TracerProvider makes the spans of requests that change something: tools/call of these
	// tools, tasks/update and tasks/cancel. Their parent is the trace context in the
	// request's _meta, or else that of the HTTP request. Defaults to OpenTelemetry's global
	// one.
	TracerProvider trace.TracerProvider
}

// withDefaults returns a copy in which defaults are filled in, but for Owner's.
func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	out.PlainWait = cmp.Or(out.PlainWait, 30*time.Second)
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	return out
}
