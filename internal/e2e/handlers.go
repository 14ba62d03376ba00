package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

func handlerReturns(t *testing.T, db Database) {
	type strict struct {
		N int `json:"n"`
	}
	tools := mcptasks.NewTools()
	add := func(name string, result *mcp.CallToolResult, err error) {
		mcptasks.AddTool(tools, &mcp.Tool{Name: name}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
			return result, nil, err
		}, &mcptasks.ToolOptions{MaxAttempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }})
	}
	add("nil", nil, nil)
	add("is-error", &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: "no"}}}, nil)
	add("error", nil, errors.New("it broke"))
	add("permanent", nil, mcptasks.Permanent(errors.New("it is broken")))
	add("protocol-error", nil, &jsonrpc.Error{Code: -32099, Message: "refused", Data: json.RawMessage(`{"why":1}`)})
	mcptasks.AddTool(tools, &mcp.Tool{Name: "bad-output", OutputSchema: json.RawMessage(`{"type":"object","required":["m"]}`)},
		func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, strict, error) {
			return nil, strict{1}, nil
		}, nil)
	p := serve(t, db, tools, true, nil, nil)

	for tool, want := range map[string]struct {
		status mcptasks.Status
		in     string
	}{
		"nil":            {mcptasks.StatusCompleted, `{"resultType":"complete","content":[]}`},
		"is-error":       {mcptasks.StatusCompleted, `"isError":true`},
		"error":          {mcptasks.StatusCompleted, `{"resultType":"complete","content":[{"type":"text","text":"it broke"}],"isError":true}`},
		"permanent":      {mcptasks.StatusCompleted, `it is broken`},
		"protocol-error": {mcptasks.StatusFailed, `{"code":-32099,"message":"refused","data":{"why":1}}`},
		"bad-output":     {mcptasks.StatusFailed, `validating tool output`},
	} {
		got := p.ended(t, p.call(t, tool, nil).TaskID)
		outcome := string(got.Result)
		if got.Error != nil {
			data, _ := json.Marshal(got.Error)
			outcome = string(data)
		}
		if got.Status != want.status || !strings.Contains(outcome, want.in) {
			t.Errorf("%s: %s %s; want %s with %s", tool, got.Status, outcome, want.status, want.in)
		}
	}
}

func hostileHandlers(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	add := func(name string, handler mcptasks.Handler[noArgs, any]) {
		mcptasks.AddTool(tools, &mcp.Tool{Name: name}, handler, nil)
	}
	add("panic", func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		panic("the password is hunter2\x00")
	})
	add("nul", func(_ context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		run.Progress(1, 2, "a\x00b\xff")
		return nil, nil, errors.New("a\x00b\xff")
	})
	add("huge", func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return done(strings.Repeat("x", 20<<20)), nil, nil
	})
	add("raw", func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return nil, json.RawMessage("{\"s\":\"\xff\"}"), nil
	})
	p := serve(t, db, tools, true, nil, nil)

	got := p.ended(t, p.call(t, "panic", nil).TaskID)
	if got.Status != mcptasks.StatusFailed || got.Error == nil || strings.Contains(got.Error.Message, "hunter2") || got.StatusMessage != got.Error.Message {
		t.Errorf("panic: %s %v %q", got.Status, got.Error, got.StatusMessage)
	}
	got = p.ended(t, p.call(t, "nul", nil).TaskID)
	if got.Status != mcptasks.StatusCompleted || !strings.Contains(string(got.Result), `"text":"a\u0000b\ufffd"`) {
		t.Errorf("nul: %s %s", got.Status, got.Result)
	}
	got = p.ended(t, p.call(t, "huge", nil).TaskID)
	if got.Status != mcptasks.StatusFailed || got.Error == nil || !strings.Contains(got.Error.Message, "8388608") {
		t.Errorf("huge: %s %v", got.Status, got.Error)
	}
	got = p.ended(t, p.call(t, "raw", nil).TaskID)
	if got.Status != mcptasks.StatusCompleted {
		t.Errorf("raw: %s %v", got.Status, got.Error)
	}
}

func runTimeout(t *testing.T, db Database) {
	release := make(chan struct{})
	defer close(release)
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "deaf"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		<-release // it does not heed its context
		return done("late"), nil, nil
	}, &mcptasks.ToolOptions{RunTimeout: 50 * time.Millisecond, MaxAttempts: 5})
	p := serve(t, db, tools, true, nil, nil)

	id := p.call(t, "deaf", nil).TaskID
	got := p.ended(t, id)
	if got.Status != mcptasks.StatusFailed || got.Error == nil || !strings.Contains(got.Error.Message, "longer than its limit of 50ms") {
		t.Errorf("ended %s %v", got.Status, got.Error)
	}
}

func snooze(t *testing.T, db Database) {
	var runs atomic.Int32
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "later"}, func(_ context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		if runs.Add(1) < 3 {
			return nil, nil, mcptasks.Snooze(time.Millisecond)
		}
		return nil, map[string]any{"attempt": run.Attempt()}, nil
	}, nil)
	p := serve(t, db, tools, true, nil, nil)
	got := p.ended(t, p.call(t, "later", nil).TaskID)
	if got.Status != mcptasks.StatusCompleted || !strings.Contains(string(got.Result), `"attempt":1`) || runs.Load() != 3 {
		t.Errorf("%s %s after %d runs", got.Status, got.Result, runs.Load())
	}
}
