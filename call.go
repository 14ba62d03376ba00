package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Caller runs tools as the SDK's own tools/call does, so that a durable answer
// is the JSON an inline one would have been: defaults, schema checks, structured
// output and its text are the SDK's, or a lane's to the byte. It is for the packages that
// run tools.
// Safe for concurrent use.
type Caller struct {
	tools   *Tools
	session *mcp.ServerSession
}

// NewCaller returns a caller of the tools. Close it when done.
func (t *Tools) NewCaller() (*Caller, error) {
	session, err := connect(t.server)
	if err != nil {
		return nil, &Error{Op: "open tools", Err: err}
	}
	return &Caller{tools: t, session: session}, nil
}

// Close releases the caller's session. Calls in progress are not affected.
func (c *Caller) Close() error { return c.session.Close() }

// Verdict is what a run's end means for its task.
type Verdict struct {
	// Outcome is what the task ends with, nil when Snoozed.
	Outcome *Outcome
	// Retry says that Outcome is the error of an attempt: the task ends with
	// it only if no attempts are left.
	Retry bool
	// Snoozed says that the handler asked to be run again After.
	Snoozed bool
	After   time.Duration
	// Cause is the handler's error, its panic, or why its result could not be
	// used: for the log and the operator. Nil when all went well.
	Cause error
}

// Call runs the tool once, with run for its handler, and returns what this means
// for the task. A panic of the handler is recovered; its value and stack are the
// verdict's Cause.
func (c *Caller) Call(ctx context.Context, run *Run, params CreateParams) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{
				Outcome: Failure("The tool stopped unexpectedly."),
				Cause:   fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack()),
			}
		}
	}()

	result, err := c.call(ctx, run, params)
	var snooze *snoozeError
	if run.entered && errors.As(run.returned, &snooze) {
		return Verdict{Snoozed: true, After: snooze.after}
	}
	if err != nil {
		return Verdict{Outcome: &Outcome{Error: wireError(err)}, Cause: err}
	}
	outcome, err := resultOutcome(result)
	if err != nil {
		return Verdict{Outcome: Failure("The tool's result cannot be sent."), Cause: err}
	}
	var permanent *permanentError
	return Verdict{
		Outcome: outcome,
		Retry:   run.returned != nil && !errors.As(run.returned, &permanent),
		Cause:   run.returned,
	}
}

func (c *Caller) call(ctx context.Context, run *Run, params CreateParams) (mcp.Result, error) {
	if tool, ok := c.tools.Get(params.Tool); ok {
		if answer, ok := tool.call(ctx, run, params.Arguments); ok {
			return answer, nil
		}
	}
	return c.tools.receive(context.WithValue(ctx, runKey{}, run), "tools/call", &mcp.CallToolRequest{
		Session: c.session,
		Params:  &mcp.CallToolParamsRaw{Name: params.Tool, Arguments: params.Arguments},
	})
}

// Interrupted reports whether the verdict is the doing of the node's shutdown, if
// that is the cause with which the run's context ended: only a result counts then,
// and all else is run again without an attempt being used.
func (v Verdict) Interrupted(cause error) bool {
	return errors.Is(cause, ErrShutdown) && (v.Snoozed || v.Cause != nil)
}

type runKey struct{}

// contextRun returns the context's run, or, in a call that no Caller made, one that
// nothing records.
func contextRun(ctx context.Context) *Run {
	run, ok := ctx.Value(runKey{}).(*Run)
	if !ok {
		run = NewRun("", 1, Recorded{}, unrecorded{})
	}
	return run
}

// handle calls the handler and notes in the run what it returned.
func handle[In, Out any](ctx context.Context, run *Run, handler Handler[In, Out], in In) (*mcp.CallToolResult, Out, error) {
	if handler == nil {
		var none Out
		return nil, none, errors.New("mcptasks: this program has no handler for the tool")
	}
	run.entered = true
	result, out, err := handler(ctx, run, in)
	run.returned = err
	if permanent, ok := err.(*permanentError); ok { //nolint:errorlint // the SDK, too, looks at the error itself: only so is a *jsonrpc.Error within it one
		err = permanent.err
	}
	return result, out, err
}

// resultOutcome keeps of a result what belongs to the task: resultType is the
// answer's, and a fresh value has none.
func resultOutcome(result mcp.Result) (*Outcome, error) {
	r, ok := result.(*mcp.CallToolResult)
	if !ok {
		return nil, fmt.Errorf("tools/call returned a %T", result)
	}
	if r.InputRequests != nil || r.RequestState != "" {
		return nil, errors.New("the handler returned InputRequests: a durable tool's questions are not part of its result")
	}
	kept := &mcp.CallToolResult{Meta: r.Meta, Content: r.Content, StructuredContent: r.StructuredContent, IsError: r.IsError}
	data, err := kept.MarshalJSON() // json.Marshal would go over all of it once more
	if err != nil {
		return nil, err
	}
	return &Outcome{Result: data, IsError: r.IsError}, nil
}

// wireError is the error as the SDK puts it on the wire: a wrapped JSON-RPC
// error lends its code, any other has none.
func wireError(err error) *jsonrpc.Error {
	if e, ok := err.(*jsonrpc.Error); ok { //nolint:errorlint // as the SDK does: a wrapped one keeps the outer text
		return e
	}
	out := &jsonrpc.Error{Message: err.Error()}
	var wrapped *jsonrpc.Error
	if errors.As(err, &wrapped) {
		out.Code = wrapped.Code
	}
	return out
}

// unrecorded is the journal of a tool that forbids tasks.
type unrecorded struct{}

func (unrecorded) Report(Progress) {}

func (unrecorded) SaveStep(_ context.Context, _ string, result json.RawMessage, _ time.Time) (json.RawMessage, error) {
	return result, nil
}

func (unrecorded) Park(context.Context, map[string]Question) error {
	return Permanent(errors.New("mcptasks: a tool that forbids tasks cannot ask questions"))
}

// connect begins a session with the server.
func connect(server *mcp.Server) (*mcp.ServerSession, error) {
	return server.Connect(context.Background(), &wireless{closed: make(chan struct{})}, nil)
}

// wireless is a transport on which nothing is ever said: the session it carries
// exists because the SDK's dispatch asks for one.
type wireless struct {
	once   sync.Once
	closed chan struct{}
}

func (w *wireless) Connect(context.Context) (mcp.Connection, error) { return w, nil }

func (w *wireless) Read(context.Context) (jsonrpc.Message, error) {
	<-w.closed
	return nil, io.EOF
}

func (w *wireless) Write(context.Context, jsonrpc.Message) error {
	return errors.New("a worker has no client to speak to")
}

func (w *wireless) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wireless) SessionID() string { return "" }
