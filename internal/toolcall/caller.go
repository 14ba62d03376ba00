package toolcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/question"
)

// Caller calls the tools of a [Set]. Safe for concurrent use.
type Caller struct {
	set     *Set
	session *mcp.ServerSession // the SDK's dispatch needs one
}

// Close releases the caller's session. Calls in progress are not affected.
func (c *Caller) Close() error { return c.session.Close() }

// Call is one run of a tool for a task.
type Call struct {
	TaskID    string
	Attempt   int // from 1
	Tool      string
	Arguments json.RawMessage // nil: none

	// Steps are the results of earlier runs, by key. The run adds its own. nil: none.
	Steps map[string]json.RawMessage
	// Questions are those that earlier runs asked, by key. nil: none.
	Questions map[string]question.Question

	Journal Journal
}

// Call runs the tool's handler once and returns what this means for the task. It
// recovers a panic of the handler: its value and stack are the verdict's Cause.
func (c *Caller) Call(ctx context.Context, call Call) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{
				Outcome: failure("The tool stopped unexpectedly."),
				Cause:   fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack()),
			}
		}
	}()

	if string(call.Arguments) == "null" {
		call.Arguments = nil // the SDK takes null for none, but panics when it adds defaults to it
	}
	run := NewRun(call)
	run.session = c.session
	result, err := c.set.get(call.Tool).call(ctx, run, call.Arguments)
	var snooze *snoozeError
	if errors.As(run.returned, &snooze) {
		return Verdict{Snoozed: true, After: snooze.after}
	}
	if err != nil {
		return Verdict{Outcome: &Outcome{Error: wireError(err)}, Cause: err}
	}
	outcome, err := resultOutcome(result)
	if err != nil {
		return Verdict{Outcome: failure("The tool's result cannot be sent."), Cause: err}
	}
	var permanent *permanentError
	return Verdict{
		Outcome: outcome,
		Retry:   run.returned != nil && !errors.As(run.returned, &permanent),
		Cause:   run.returned,
	}
}

// resultOutcome returns what the task keeps of a result. It leaves out what belongs to
// an answer on the wire: resultType.
func resultOutcome(result mcp.Result) (*Outcome, error) {
	r, ok := result.(*mcp.CallToolResult)
	if !ok {
		return nil, fmt.Errorf("tools/call returned a %T", result)
	}
	if r.InputRequests != nil || r.RequestState != "" {
		return nil, errors.New("the handler returned InputRequests: a durable tool's questions are not part of its result")
	}
	stored := &mcp.CallToolResult{Meta: r.Meta, Content: r.Content, StructuredContent: r.StructuredContent, IsError: r.IsError}
	data, err := stored.MarshalJSON() // json.Marshal would scan the output once more
	if err != nil {
		return nil, err
	}
	return &Outcome{Result: data, IsError: r.IsError}, nil
}

// wireError returns the error as the SDK puts it on the wire: with the code of a
// JSON-RPC error that it wraps, or else with code 0.
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
