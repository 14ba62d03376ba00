package toolcall_test

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

	"github.com/mcptasks/mcptasks/internal/toolcall"
)

type (
	nothing struct{}
	page    struct {
		Title string `json:"title"`
	}
)

// verdictOf runs a handler once.
func verdictOf[In, Out any](t *testing.T, handler toolcall.Handler[In, Out]) toolcall.Verdict {
	t.Helper()
	return newCaller(t, &mcp.Tool{}, handler).Call(t.Context(), firstCall())
}

// Ends of a task.
const (
	completed = "completed"
	failed    = "failed"
	none      = ""
)

func endOf(outcome *toolcall.Outcome) string {
	switch {
	case outcome == nil:
		return none
	case outcome.Error != nil:
		return failed
	default:
		return completed
	}
}

// firstCall is the first run of a task of the tool "report".
func firstCall() toolcall.Call { return toolcall.Call{TaskID: "t1", Attempt: 1, Tool: "report"} }

// newCaller returns a caller of the tool, which it names "report".
func newCaller[In, Out any](t testing.TB, tool *mcp.Tool, handler toolcall.Handler[In, Out]) *toolcall.Caller {
	t.Helper()
	tool.Name = "report"
	set := toolcall.NewSet()
	if err := toolcall.Add(set, tool, handler); err != nil {
		t.Fatal(err)
	}
	caller, err := set.NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	return caller
}

func idle(context.Context, *toolcall.Run, nothing) (*mcp.CallToolResult, any, error) {
	return nil, nil, nil
}

func TestVerdict(t *testing.T) {
	plain := errors.New("no paper left")
	refused := &jsonrpc.Error{Code: -32002, Message: "not there"}
	text := func(s string, isError bool) *mcp.CallToolResult {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}, IsError: isError}
	}
	returning := func(result *mcp.CallToolResult, err error) toolcall.Handler[nothing, any] {
		return func(context.Context, *toolcall.Run, nothing) (*mcp.CallToolResult, any, error) {
			return result, nil, err
		}
	}
	tests := []struct {
		name    string
		handler toolcall.Handler[nothing, any]
		end     string // of the task, if the verdict ends it
		isError bool
		retry   bool
		after   time.Duration
		code    int64  // of a JSON-RPC error
		says    string // in the text of the result or the error
		cause   error
	}{
		{name: "result", handler: returning(text("ready", false), nil), end: completed, says: "ready"},
		{name: "isError", handler: returning(text("could not", true), nil), end: completed, isError: true, says: "could not"},
		{name: "nothing", handler: returning(nil, nil), end: completed, says: `"content":[]`},
		{name: "error", handler: returning(nil, plain), end: completed, isError: true, retry: true, says: "no paper left", cause: plain},
		{name: "JSON-RPC error", handler: returning(nil, refused), end: failed, code: -32002, says: "not there", cause: refused},
		{
			name: "wrapped JSON-RPC error", handler: returning(nil, fmt.Errorf("looking: %w", refused)),
			end: completed, isError: true, retry: true, says: "looking: not there", cause: refused,
		},
		{name: "Permanent", handler: returning(nil, toolcall.Permanent(plain)), end: completed, isError: true, says: "no paper left", cause: plain},
		{
			name: "wrapped Permanent", handler: returning(nil, fmt.Errorf("printing: %w", toolcall.Permanent(plain))),
			end: completed, isError: true, says: "printing: no paper left", cause: plain,
		},
		{name: "Permanent JSON-RPC error", handler: returning(nil, toolcall.Permanent(refused)), end: failed, code: -32002, says: "not there", cause: refused},
		{name: "Snooze", handler: returning(nil, toolcall.Snooze(time.Minute)), end: none, after: time.Minute},
		{name: "negative Snooze", handler: returning(nil, toolcall.Snooze(-time.Minute)), end: none},
		{name: "wrapped Snooze", handler: returning(nil, fmt.Errorf("later: %w", toolcall.Snooze(time.Minute))), end: none, after: time.Minute},
		{
			name: "questions in the result", handler: returning(&mcp.CallToolResult{InputRequests: mcp.InputRequestMap{}}, nil),
			end: failed, code: jsonrpc.CodeInternalError, says: "cannot be sent",
		},
		{
			name: "result that is no JSON", handler: returning(&mcp.CallToolResult{Meta: mcp.Meta{"f": func() {}}}, nil),
			end: failed, code: jsonrpc.CodeInternalError, says: "cannot be sent",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict := verdictOf(t, test.handler)
			if test.cause != nil && !errors.Is(verdict.Cause, test.cause) {
				t.Errorf("cause %v, want %v", verdict.Cause, test.cause)
			}
			if verdict.Snoozed != (test.end == none) || verdict.After != test.after || verdict.Retry != test.retry {
				t.Errorf("verdict %+v", verdict)
			}
			if want := test.end == completed && test.cause == nil; verdict.HasResult() != want {
				t.Errorf("HasResult is %t, want %t", !want, want)
			}
			outcome := verdict.Outcome
			if test.end == none {
				if outcome != nil {
					t.Errorf("a snooze has the outcome %+v", outcome)
				}
				return
			}
			if endOf(outcome) != test.end || outcome.IsError != test.isError || (outcome.Result != nil) == (outcome.Error != nil) {
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
				t.Errorf("the client reads %s, want %s", said, test.says)
			}
		})
	}
}

func TestVerdictOfOutputAgainstItsSchema(t *testing.T) {
	calls := 0
	tool := &mcp.Tool{OutputSchema: json.RawMessage(`{"type":"object","required":["pages"]}`)}
	caller := newCaller(t, tool, func(context.Context, *toolcall.Run, nothing) (*mcp.CallToolResult, any, error) {
		calls++
		return nil, map[string]any{}, nil
	})
	verdict := caller.Call(t.Context(), firstCall())
	if calls != 1 || verdict.Retry || verdict.Cause == nil || endOf(verdict.Outcome) != failed {
		t.Errorf("verdict %+v after %d calls, want failed for good", verdict, calls)
	}
}

func TestVerdictOfBadArguments(t *testing.T) {
	caller := newCaller(t, &mcp.Tool{}, func(context.Context, *toolcall.Run, page) (*mcp.CallToolResult, any, error) {
		t.Error("the handler was called")
		return nil, nil, nil
	})
	call := firstCall()
	call.Arguments = json.RawMessage(`{"title":7}`)
	verdict := caller.Call(t.Context(), call)
	if verdict.Retry || !verdict.Outcome.IsError {
		t.Errorf("verdict %+v, want an answer that is not retried", verdict)
	}
}

// The SDK panics when it adds defaults to null (go-sdk v1.8.0).
func TestNullArgumentsAreNone(t *testing.T) {
	var titles []string
	tool := &mcp.Tool{InputSchema: json.RawMessage(`{"type":"object","properties":{"title":{"type":"string","default":"Untitled"}}}`)}
	caller := newCaller(t, tool, func(_ context.Context, _ *toolcall.Run, in page) (*mcp.CallToolResult, any, error) {
		titles = append(titles, in.Title)
		return nil, nil, nil
	})
	call := firstCall()
	call.Arguments = json.RawMessage(`null`)
	if verdict := caller.Call(t.Context(), call); !verdict.HasResult() || len(titles) != 1 || titles[0] != "Untitled" {
		t.Errorf("verdict %+v, the handler got %q", verdict, titles)
	}
}

func TestVerdictOfAnUnknownTool(t *testing.T) {
	caller := newCaller(t, &mcp.Tool{}, idle)
	verdict := caller.Call(t.Context(), toolcall.Call{TaskID: "t1", Attempt: 1, Tool: "nothing"})
	if verdict.Outcome.Error == nil || verdict.Outcome.Error.Code != jsonrpc.CodeInvalidParams {
		t.Errorf("outcome %+v", verdict.Outcome)
	}
}

// The log gets a panic's value and stack. The client does not: the value may be a secret.
func TestVerdictOfAPanic(t *testing.T) {
	for name, value := range map[string]any{
		"text": "the password is mellon", "error": errors.New("the password is mellon"), "runtime": nil,
	} {
		t.Run(name, func(t *testing.T) {
			verdict := verdictOf(t, func(context.Context, *toolcall.Run, nothing) (*mcp.CallToolResult, any, error) {
				if value == nil {
					_ = []int{}[len(name)]
				}
				panic(value)
			})
			if verdict.Retry || endOf(verdict.Outcome) != failed || verdict.Outcome.Error.Code != jsonrpc.CodeInternalError {
				t.Errorf("verdict %+v, want failed for good with an internal error", verdict)
			}
			cause := fmt.Sprint(verdict.Cause)
			if value != nil && !strings.Contains(cause, "the password is mellon") {
				t.Errorf("the cause lacks the panic's value: %s", cause)
			}
			if !strings.Contains(cause, "caller_test.go") {
				t.Errorf("the cause lacks the stack: %s", cause)
			}
			read, err := json.Marshal(verdict.Outcome)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"mellon", "goroutine", ".go:"} {
				if strings.Contains(string(read), secret) {
					t.Errorf("the client reads %s", read)
				}
			}
		})
	}
}

// A panic does not affect the next run.
func TestCallerAfterAPanic(t *testing.T) {
	runs := 0
	caller := newCaller(t, &mcp.Tool{}, func(_ context.Context, run *toolcall.Run, _ nothing) (*mcp.CallToolResult, any, error) {
		if runs++; runs == 1 {
			panic("once")
		}
		return nil, map[string]any{"task": run.TaskID(), "attempt": run.Attempt()}, nil
	})
	caller.Call(t.Context(), firstCall())
	verdict := caller.Call(t.Context(), toolcall.Call{TaskID: "t2", Attempt: 3, Tool: "report"})
	if got := string(verdict.Outcome.Result); !strings.Contains(got, `{"attempt":3,"task":"t2"}`) {
		t.Errorf("the handler was given another run: %s", got)
	}
}

func TestCallPassesTheContextAndItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	shutdown := errors.New("shutdown")
	cancel(shutdown)
	caller := newCaller(t, &mcp.Tool{}, func(ctx context.Context, _ *toolcall.Run, _ nothing) (*mcp.CallToolResult, any, error) {
		return nil, nil, context.Cause(ctx)
	})
	verdict := caller.Call(ctx, firstCall())
	if !errors.Is(verdict.Cause, shutdown) {
		t.Errorf("the handler's context ended with %v", verdict.Cause)
	}
}

func TestCallOfAToolWithoutAHandler(t *testing.T) {
	verdict := newCaller[nothing, any](t, &mcp.Tool{}, nil).Call(t.Context(), firstCall())
	if verdict.Retry || !verdict.Outcome.IsError || !strings.Contains(string(verdict.Outcome.Result), "no handler") {
		t.Errorf("verdict %+v", verdict)
	}
}

func BenchmarkCall(b *testing.B) {
	type order struct {
		Answer string   `json:"answer,omitempty"`
		Count  int64    `json:"count,omitempty"`
		Tags   []string `json:"tags,omitempty"`
	}
	text := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}
	caller := newCaller(b, &mcp.Tool{}, func(context.Context, *toolcall.Run, order) (*mcp.CallToolResult, any, error) {
		return text, nil, nil
	})
	call := firstCall()
	call.Arguments = json.RawMessage(`{"answer":"text","count":5,"tags":["tides","the North Sea"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if verdict := caller.Call(b.Context(), call); !verdict.HasResult() {
			b.Fatal(verdict)
		}
	}
}
