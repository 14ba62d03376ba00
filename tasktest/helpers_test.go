package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

type none struct{}

type body func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error)

// newTask returns a task of a tool with this body.
func newTask(tb tasktest.TB, opts *mcptasks.ToolOptions, handle body) *tasktest.Task {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, func(ctx context.Context, run *mcptasks.Run, _ none) (*mcp.CallToolResult, any, error) {
		result, err := handle(ctx, run)
		return result, nil, err
	}, opts)
	return tasktest.New(tb, tools).Task("tool", nil)
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

func textOf(t *testing.T, task *tasktest.Task) string {
	t.Helper()
	result := task.Result()
	if result == nil || len(result.Content) != 1 {
		t.Fatalf("status %s, result %v: want one piece of content", task.Status(), result)
	}
	return result.Content[0].(*mcp.TextContent).Text
}

func done(context.Context) (bool, error) { return true, nil }

func wantSteps(t *testing.T, task *tasktest.Task, want ...string) {
	t.Helper()
	if got := task.Steps(); !slices.Equal(got, want) {
		t.Errorf("steps recorded: %q, want %q", got, want)
	}
}

func wantStatus(t *testing.T, task *tasktest.Task, want mcptasks.Status) {
	t.Helper()
	if got := task.Status(); got != want {
		t.Errorf("status %s, want %s", got, want)
	}
	outcome := task.Outcome()
	if ended := want == mcptasks.StatusCompleted || want == mcptasks.StatusFailed; ended != (outcome != nil) {
		t.Errorf("status %s with outcome %v", want, outcome)
	}
}

func wantCause(t *testing.T, end tasktest.End, want error) {
	t.Helper()
	if !errors.Is(end.Cause, want) {
		t.Errorf("the run's cause is %v, want %v", end.Cause, want)
	}
}

// fakeTB records the failures of a test.
type fakeTB struct {
	mu      sync.Mutex
	said    []string
	cleanup []func()
}

func (*fakeTB) Helper() {}

func (f *fakeTB) Cleanup(fn func()) { f.cleanup = append(f.cleanup, fn) }

func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// wantFailure runs a test with a fakeTB and expects that it fails once, with the words.
func wantFailure(t *testing.T, words string, test func(tb tasktest.TB)) {
	t.Helper()
	fake := &fakeTB{}
	over := make(chan struct{})
	go func() {
		defer close(over)
		test(fake)
	}()
	<-over
	for _, fn := range fake.cleanup {
		fn()
	}
	if len(fake.said) != 1 || !strings.Contains(fake.said[0], words) {
		t.Errorf("the test failed with %q, want one failure with %q", fake.said, words)
	}
}
