package mcptasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// verdictOf runs a handler once, with these steps recorded.
func verdictOf[In, Out any](t *testing.T, steps map[string]json.RawMessage, handler mcptasks.Handler[In, Out]) mcptasks.Verdict {
	t.Helper()
	return call(t, newCaller(t, handler), mcptasks.NewRun("t1", 1, mcptasks.Recorded{Steps: steps}, &memory{}))
}

func newCaller[In, Out any](t *testing.T, handler mcptasks.Handler[In, Out]) *mcptasks.Caller {
	t.Helper()
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, handler, nil)
	caller, err := tools.NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	return caller
}

func call(t *testing.T, caller *mcptasks.Caller, run *mcptasks.Run) mcptasks.Verdict {
	t.Helper()
	return caller.Call(t.Context(), run, mcptasks.CreateParams{Tool: "report"})
}

func TestVerdict(t *testing.T) {
	plain := errors.New("no paper left")
	refused := &jsonrpc.Error{Code: -32002, Message: "not there"}
	text := func(s string, isError bool) *mcp.CallToolResult {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}, IsError: isError}
	}
	returning := func(result *mcp.CallToolResult, err error) mcptasks.Handler[nothing, any] {
		return func(context.Context, *mcptasks.Run, nothing) (*mcp.CallToolResult, any, error) {
			return result, nil, err
		}
	}
	const (
		completed = mcptasks.StatusCompleted
		failed    = mcptasks.StatusFailed
		unended   = mcptasks.StatusWorking
	)
	tests := []struct {
		name    string
		handler mcptasks.Handler[nothing, any]
		status  mcptasks.Status // what the task ends in, if this is how it ends
		isError bool
		retry   bool
		after   time.Duration
		code    int64  // of a JSON-RPC error
		says    string // in the text of the result or the error
		cause   error
	}{
		{name: "result", handler: returning(text("ready", false), nil), status: completed, says: "ready"},
		{name: "isError", handler: returning(text("could not", true), nil), status: completed, isError: true, says: "could not"},
		{name: "nothing", handler: returning(nil, nil), status: completed, says: `"content":[]`},
		{name: "error", handler: returning(nil, plain), status: completed, isError: true, retry: true, says: "no paper left", cause: plain},
		{name: "JSON-RPC error", handler: returning(nil, refused), status: failed, code: -32002, says: "not there", cause: refused},
		{
			name: "wrapped JSON-RPC error", handler: returning(nil, fmt.Errorf("looking: %w", refused)),
			status: completed, isError: true, retry: true, says: "looking: not there", cause: refused,
		},
		{name: "Permanent", handler: returning(nil, mcptasks.Permanent(plain)), status: completed, isError: true, says: "no paper left", cause: plain},
		{
			name: "wrapped Permanent", handler: returning(nil, fmt.Errorf("printing: %w", mcptasks.Permanent(plain))),
			status: completed, isError: true, says: "printing: no paper left", cause: plain,
		},
		{name: "Permanent JSON-RPC error", handler: returning(nil, mcptasks.Permanent(refused)), status: failed, code: -32002, says: "not there", cause: refused},
		{name: "Snooze", handler: returning(nil, mcptasks.Snooze(time.Minute)), status: unended, after: time.Minute},
		{name: "negative Snooze", handler: returning(nil, mcptasks.Snooze(-time.Minute)), status: unended},
		{name: "wrapped Snooze", handler: returning(nil, fmt.Errorf("later: %w", mcptasks.Snooze(time.Minute))), status: unended, after: time.Minute},
		{
			name: "questions in the result", handler: returning(&mcp.CallToolResult{InputRequests: mcp.InputRequestMap{}}, nil),
			status: failed, code: jsonrpc.CodeInternalError, says: "cannot be sent",
		},
		{
			name: "result that is no JSON", handler: returning(&mcp.CallToolResult{Meta: mcp.Meta{"f": func() {}}}, nil),
			status: failed, code: jsonrpc.CodeInternalError, says: "cannot be sent",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict := verdictOf(t, nil, test.handler)
			if test.cause != nil && !errors.Is(verdict.Cause, test.cause) {
				t.Errorf("cause %v, want %v", verdict.Cause, test.cause)
			}
			if verdict.Snoozed != (test.status == unended) || verdict.After != test.after || verdict.Retry != test.retry {
				t.Errorf("verdict %+v", verdict)
			}
			outcome := verdict.Outcome
			if test.status == unended {
				if outcome != nil {
					t.Errorf("a snooze has the outcome %+v", outcome)
				}
				return
			}
			if outcome.Status() != test.status || outcome.IsError != test.isError || (outcome.Result != nil) == (outcome.Error != nil) {
				t.Fatalf("outcome %+v", outcome)
			}
			said := string(outcome.Result)
			if outcome.Error != nil {
				said = outcome.Error.Message
				if outcome.Error.Code != test.code {
					t.Errorf("code %d, want %d", outcome.Error.Code, test.code)
				}
			}
			if !strings.Contains(said, test.says) {
				t.Errorf("the client is told %s, want %s", said, test.says)
			}
		})
	}
}

func TestVerdictOfOutputAgainstItsSchema(t *testing.T) {
	tools := mcptasks.NewTools()
	entered := 0
	tool := &mcp.Tool{Name: "report", OutputSchema: json.RawMessage(`{"type":"object","required":["pages"]}`)}
	mcptasks.AddTool(tools, tool, func(context.Context, *mcptasks.Run, nothing) (*mcp.CallToolResult, any, error) {
		entered++
		return nil, map[string]any{}, nil
	}, nil)
	caller, err := tools.NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	verdict := call(t, caller, mcptasks.NewRun("t1", 1, mcptasks.Recorded{}, &memory{}))
	if entered != 1 || verdict.Retry || verdict.Cause == nil || verdict.Outcome.Status() != mcptasks.StatusFailed {
		t.Errorf("verdict %+v after %d calls, want failed for good", verdict, entered)
	}
}

func TestVerdictOfBadArguments(t *testing.T) {
	caller := newCaller(t, func(context.Context, *mcptasks.Run, page) (*mcp.CallToolResult, any, error) {
		t.Error("the handler was called")
		return nil, nil, nil
	})
	verdict := caller.Call(t.Context(), mcptasks.NewRun("t1", 1, mcptasks.Recorded{}, &memory{}),
		mcptasks.CreateParams{Tool: "report", Arguments: json.RawMessage(`{"title":7}`)})
	if verdict.Retry || !verdict.Outcome.IsError {
		t.Errorf("verdict %+v, want an answer that is not retried", verdict)
	}
}

func TestVerdictOfAnUnknownTool(t *testing.T) {
	caller := newCaller(t, idle[nothing, any])
	verdict := caller.Call(t.Context(), mcptasks.NewRun("t1", 1, mcptasks.Recorded{}, &memory{}), mcptasks.CreateParams{Tool: "nothing"})
	if verdict.Outcome.Error == nil || verdict.Outcome.Error.Code != jsonrpc.CodeInvalidParams {
		t.Errorf("outcome %+v", verdict.Outcome)
	}
}

// A panic's value may hold anything: the log has it, and where it came from; the
// client does not.
func TestVerdictOfAPanic(t *testing.T) {
	for name, value := range map[string]any{
		"text": "the password is mellon", "error": errors.New("the password is mellon"), "runtime": nil,
	} {
		t.Run(name, func(t *testing.T) {
			verdict := verdictOf(t, nil, func(context.Context, *mcptasks.Run, nothing) (*mcp.CallToolResult, any, error) {
				if value == nil {
					_ = []int{}[len(name)]
				}
				panic(value)
			})
			if verdict.Retry || verdict.Outcome.Status() != mcptasks.StatusFailed || verdict.Outcome.Error.Code != jsonrpc.CodeInternalError {
				t.Errorf("verdict %+v, want failed for good with an internal error", verdict)
			}
			cause := fmt.Sprint(verdict.Cause)
			if value != nil && !strings.Contains(cause, "the password is mellon") {
				t.Errorf("the cause lacks the panic's value: %s", cause)
			}
			if !strings.Contains(cause, "call_test.go") {
				t.Errorf("the cause lacks the stack: %s", cause)
			}
			told, err := json.Marshal(verdict.Outcome)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"mellon", "goroutine", ".go:"} {
				if strings.Contains(string(told), secret) {
					t.Errorf("the client is told %s", told)
				}
			}
		})
	}
}

// The next run is not harmed by the one before.
func TestCallerAfterAPanic(t *testing.T) {
	runs := 0
	caller := newCaller(t, func(_ context.Context, run *mcptasks.Run, _ nothing) (*mcp.CallToolResult, any, error) {
		if runs++; runs == 1 {
			panic("once")
		}
		return nil, map[string]any{"task": run.TaskID(), "attempt": run.Attempt()}, nil
	})
	call(t, caller, mcptasks.NewRun("t1", 1, mcptasks.Recorded{}, &memory{}))
	verdict := call(t, caller, mcptasks.NewRun("t2", 3, mcptasks.Recorded{}, &memory{}))
	if got := string(verdict.Outcome.Result); !strings.Contains(got, `{"attempt":3,"task":"t2"}`) {
		t.Errorf("the handler was given another run: %s", got)
	}
}

func TestCallPassesTheContextAndItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(mcptasks.ErrShutdown)
	caller := newCaller(t, func(ctx context.Context, _ *mcptasks.Run, _ nothing) (*mcp.CallToolResult, any, error) {
		return nil, nil, context.Cause(ctx)
	})
	verdict := caller.Call(ctx, mcptasks.NewRun("t1", 1, mcptasks.Recorded{}, &memory{}), mcptasks.CreateParams{Tool: "report"})
	if !errors.Is(verdict.Cause, mcptasks.ErrShutdown) {
		t.Errorf("the handler's context ended with %v", verdict.Cause)
	}
}
