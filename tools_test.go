package mcptasks_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

type nothing struct{}

func idle[In, Out any](context.Context, *mcptasks.Run, In) (*mcp.CallToolResult, Out, error) {
	var out Out
	return nil, out, nil
}

func TestAddToolPanics(t *testing.T) {
	named := func(name string) *mcp.Tool { return &mcp.Tool{Name: name} }
	withOptions := func(opts mcptasks.ToolOptions) func(*mcptasks.Tools) {
		return func(tools *mcptasks.Tools) { mcptasks.AddTool(tools, named("report"), idle[nothing, any], &opts) }
	}
	tests := []struct {
		name  string
		words []string // all of them in the panic's text
		add   func(*mcptasks.Tools)
	}{
		{"nil tool", []string{"no name"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, nil, idle[nothing, any], nil)
		}},
		{"no name", []string{"no name"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, named(""), idle[nothing, any], nil)
		}},
		{"name taken", []string{`"report"`, "already"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, named("report"), idle[nothing, any], nil)
			mcptasks.AddTool(tools, named("report"), idle[nothing, any], nil)
		}},
		{"In is no object", []string{`"report"`, "object"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, named("report"), idle[string, any], nil)
		}},
		{"In has no schema", []string{`"report"`, "schema"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, named("report"), idle[struct{ C chan int }, any], nil)
		}},
		{"Out has no schema", []string{`"report"`, "output schema"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, named("report"), idle[nothing, chan int], nil)
		}},
		{"InputSchema of another type", []string{`"report"`, "object"}, func(tools *mcptasks.Tools) {
			tool := &mcp.Tool{Name: "report", InputSchema: &jsonschema.Schema{Type: "array"}}
			mcptasks.AddTool(tools, tool, idle[nothing, any], nil)
		}},
		{"invalid InputSchema", []string{`"report"`, "input schema"}, func(tools *mcptasks.Tools) {
			tool := &mcp.Tool{Name: "report", InputSchema: map[string]any{"type": 7}}
			mcptasks.AddTool(tools, tool, idle[nothing, any], nil)
		}},
		{"InputSchema with a default against it", []string{`"report"`, "input schema"}, func(tools *mcptasks.Tools) {
			tool := &mcp.Tool{Name: "report", InputSchema: map[string]any{
				"type": "object", "properties": map[string]any{"n": map[string]any{"type": "integer", "default": "seven"}},
			}}
			mcptasks.AddTool(tools, tool, idle[nothing, any], nil)
		}},
		{"invalid OutputSchema", []string{`"report"`, "output schema"}, func(tools *mcptasks.Tools) {
			tool := &mcp.Tool{Name: "report", OutputSchema: map[string]any{"$ref": "#/$defs/missing"}}
			mcptasks.AddTool(tools, tool, idle[nothing, any], nil)
		}},
		{"forbidden without a handler", []string{`"report"`, "handler"}, func(tools *mcptasks.Tools) {
			mcptasks.AddTool[nothing, any](tools, named("report"), nil, &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskForbidden})
		}},
		{"unknown TaskSupport", []string{`"report"`, `"always"`}, withOptions(mcptasks.ToolOptions{TaskSupport: "always"})},
		{"negative TTL", []string{`"report"`, "TTL"}, withOptions(mcptasks.ToolOptions{TTL: -1})},
		{"PollInterval in milliseconds", []string{`"report"`, "PollInterval"}, withOptions(mcptasks.ToolOptions{PollInterval: 500})},
		{"negative RunTimeout", []string{`"report"`, "RunTimeout"}, withOptions(mcptasks.ToolOptions{RunTimeout: -time.Hour})},
		{"negative Deadline", []string{`"report"`, "Deadline"}, withOptions(mcptasks.ToolOptions{Deadline: -1})},
		{"QuestionDeadline in days", []string{`"report"`, "QuestionDeadline"}, withOptions(mcptasks.ToolOptions{QuestionDeadline: 7})},
		{"negative MaxAttempts", []string{`"report"`, "MaxAttempts"}, withOptions(mcptasks.ToolOptions{MaxAttempts: -1})},
		{"huge MaxAttempts", []string{`"report"`, "MaxAttempts"}, withOptions(mcptasks.ToolOptions{MaxAttempts: math.MaxInt16 + 1})},
		{"Queue that River refuses", []string{`"report"`, "Queue"}, withOptions(mcptasks.ToolOptions{Queue: "a queue"})},
		{"Priority that River refuses", []string{`"report"`, "Priority"}, withOptions(mcptasks.ToolOptions{Priority: 5})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tools := mcptasks.NewTools()
			said := panicText(func() { test.add(tools) })
			if said == "" {
				t.Fatal("AddTool did not panic")
			}
			for _, word := range test.words {
				if !strings.Contains(said, word) {
					t.Errorf("AddTool panicked with %q, want it to say %s", said, word)
				}
			}
			if _, ok := tools.Get("report"); ok && test.name != "name taken" {
				t.Error("the tool was added")
			}
			// A program that recovers can go on with the other tools.
			mcptasks.AddTool(tools, named("other"), idle[nothing, any], nil)
		})
	}
}

func panicText(fn func()) (said string) {
	defer func() {
		if p := recover(); p != nil {
			said = fmt.Sprint(p)
		}
	}()
	fn()
	return ""
}

func TestToolOptionsDefaults(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "b"}, idle[nothing, any], nil)
	mcptasks.AddTool[nothing, any](tools, &mcp.Tool{Name: "a"}, nil, &mcptasks.ToolOptions{MaxAttempts: 5, Queue: "slow"})

	b, _ := tools.Get("b")
	got := b.Options
	got.Backoff = nil
	want := mcptasks.ToolOptions{
		TaskSupport: mcptasks.TaskOptional, TTL: 24 * time.Hour, PollInterval: time.Second, RunTimeout: time.Hour,
		QuestionDeadline: 7 * 24 * time.Hour, MaxAttempts: 1, Queue: "default", Priority: 1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || b.Options.Backoff == nil || !b.HasHandler {
		t.Errorf("got %+v, want %+v with a Backoff and a handler", b, want)
	}

	a, _ := tools.Get("a")
	if a.Options.MaxAttempts != 5 || a.Options.Queue != "slow" || a.Options.Priority != 1 || a.HasHandler {
		t.Errorf("got %+v", a)
	}
	if all := tools.All(); !slices.Equal(all, []*mcptasks.Tool{a, b}) {
		t.Errorf("All is not sorted by name: %v", all)
	}
}

func TestDefaultBackoff(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, idle[nothing, any], nil)
	tool, _ := tools.Get("report")

	tests := map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second, 8: 128 * time.Second, 9: 256 * time.Second,
		10: 5 * time.Minute, 11: 5 * time.Minute, 34: 5 * time.Minute, 64: 5 * time.Minute, 65: 5 * time.Minute,
		math.MaxInt16: 5 * time.Minute, math.MaxInt: 5 * time.Minute,
	}
	for errors, want := range tests {
		seen := make(map[time.Duration]bool)
		for range 200 {
			wait := tool.Options.Backoff(errors)
			if wait < want*9/10 || wait > want*11/10 {
				t.Fatalf("after %d errors: wait %s, want %s within a tenth", errors, wait, want)
			}
			seen[wait] = true
		}
		if len(seen) < 100 {
			t.Errorf("after %d errors: %d different waits of 200, want jitter", errors, len(seen))
		}
	}
}

// AddTool keeps the tool as it is: the program may change the struct afterwards.
func TestMountAfterTheToolWasChanged(t *testing.T) {
	tools := mcptasks.NewTools()
	tool := &mcp.Tool{Name: "report", Description: "Writes."}
	mcptasks.AddTool(tools, tool, idle[nothing, any], nil)
	tool.Name, tool.Description = "print", "Prints."
	mcptasks.AddTool(tools, tool, idle[nothing, any], nil)

	server := mcp.NewServer(&mcp.Implementation{Name: "server"}, nil)
	for _, tool := range tools.All() {
		tools.Internal().Mount(server, tool.Name, nil)
	}
	listed, err := dial(t, server).session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, tool := range listed.Tools {
		got[tool.Name] = tool.Description
	}
	if want := map[string]string{"report": "Writes.", "print": "Prints."}; !maps.Equal(got, want) {
		t.Errorf("mounted %v, want %v", got, want)
	}
}

func TestMountIntercepts(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, func(context.Context, *mcptasks.Run, page) (*mcp.CallToolResult, any, error) {
		t.Error("the handler was called")
		return nil, nil, nil
	}, nil)
	created := errors.New("created")
	var passed []string
	server := mcp.NewServer(&mcp.Implementation{Name: "server"}, nil)
	tools.Internal().Mount(server, "report", func(_ context.Context, req *mcp.CallToolRequest) error {
		passed = append(passed, string(req.Params.Arguments))
		return created
	})
	var returned error
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			result, err := next(ctx, method, req)
			if result, ok := result.(*mcp.CallToolResult); ok {
				returned = result.GetError()
			}
			return result, err
		}
	})
	client := dial(t, server)
	client.call(t, "report", `{"title":7}`)
	if len(passed) != 0 {
		t.Errorf("bad arguments were passed on: %s", passed)
	}
	client.call(t, "report", `{"title":"Tides","words":1,"tags":[]}`)
	if !slices.Equal(passed, []string{`{"title":"Tides","words":1,"tags":[]}`}) {
		t.Errorf("passed on: %s, want the arguments as sent", passed)
	}
	if !errors.Is(returned, created) {
		t.Errorf("the middleware finds %v, want the error of intercept", returned)
	}
}
