package main

import (
	"context"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// addTools registers the suite's tools that are tasks. The suite prescribes their names,
// arguments and behaviour.
func addTools(tools *mcptasks.Tools) {
	required := &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskRequired}

	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "slow_compute",
		Description: "Runs for the given number of seconds",
	}, slowCompute, nil)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "failing_job",
		Description: "Runs for a second and returns an error",
	}, failingJob, required)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "protocol_error_job",
		Description: "Ends with a JSON-RPC error instead of a result",
	}, protocolErrorJob, required)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "confirm_delete",
		Description: "Deletes a file after a confirmation",
	}, confirmDelete, required)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "multi_input",
		Description: "Asks two questions at once",
	}, multiInput, required)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "test_tool_with_task",
		Description: "Asks for a name before it becomes a task, and greets with it",
	}, greetLater, &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskRequired, Before: askName})
}

var whatName = &mcp.ElicitParams{Message: "What is your name?", RequestedSchema: object("name", "string")}

// askName asks within the call. A client that answers gets a task.
func askName(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if _, answered := req.Params.InputResponses["name"]; answered {
		return nil, nil
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"name": whatName}}, nil
}

// greetLater asks with the same key as askName, so it only asks clients that askName could
// not ask.
func greetLater(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
	answer, err := run.Elicit(ctx, "name", whatName)
	if err != nil {
		return nil, nil, err
	}
	return text("Hello, %v!", answer.Content["name"]), nil, nil
}

type confirmDeleteArgs struct {
	Filename string  `json:"filename" jsonschema:"the file to delete"`
	Seconds  float64 `json:"seconds,omitempty" jsonschema:"how long to look for it first"`
}

// confirmDelete asks before it deletes. It deletes nothing.
func confirmDelete(ctx context.Context, run *mcptasks.Run, in confirmDeleteArgs) (*mcp.CallToolResult, any, error) {
	if in.Seconds > 0 {
		_, err := mcptasks.Step(ctx, run, "look", func(ctx context.Context) (bool, error) {
			return true, work(ctx, time.Duration(in.Seconds*float64(time.Second)))
		})
		if err != nil {
			return nil, nil, err
		}
	}
	answer, err := run.Elicit(ctx, "confirm", &mcp.ElicitParams{
		Message:         fmt.Sprintf("Delete %s?", in.Filename),
		RequestedSchema: object("confirm", "boolean"),
	})
	if err != nil {
		return nil, nil, err
	}
	if answer.Action != "accept" || answer.Content["confirm"] != true {
		return text("%s was kept", in.Filename), nil, nil
	}
	return text("%s was deleted", in.Filename), nil, nil
}

// multiInput asks two questions at once.
func multiInput(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
	answers, err := run.Ask(ctx, mcp.InputRequestMap{
		"name":    &mcp.ElicitParams{Message: "What is your name?", RequestedSchema: object("name", "string")},
		"confirm": &mcp.ElicitParams{Message: "Go on?", RequestedSchema: object("confirm", "boolean")},
	})
	if err != nil {
		return nil, nil, err
	}
	return text("%d questions were answered", len(answers)), nil, nil
}

// object is the schema of an object with one required member.
func object(member, kind string) map[string]any {
	return map[string]any{
		"type":       "object",
		"properties": map[string]any{member: map[string]any{"type": kind}},
		"required":   []string{member},
	}
}

type slowComputeArgs struct {
	Seconds float64 `json:"seconds" jsonschema:"how long to compute"`
	Label   string  `json:"label,omitempty" jsonschema:"named in the answer"`
}

func slowCompute(ctx context.Context, _ *mcptasks.Run, in slowComputeArgs) (*mcp.CallToolResult, any, error) {
	if err := work(ctx, time.Duration(in.Seconds*float64(time.Second))); err != nil {
		return nil, nil, err
	}
	return text("%s: computed for %g s", in.Label, in.Seconds), nil, nil
}

type noArgs struct{}

func failingJob(ctx context.Context, _ *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
	if err := work(ctx, time.Second); err != nil {
		return nil, nil, err
	}
	result := text("the job failed, as it always does")
	result.IsError = true
	return result, nil, nil
}

func protocolErrorJob(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
	return nil, nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the job broke the protocol, as it always does"}
}

// work waits for d, or until ctx ends: a cancelled task stops at once.
func work(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
