package main

import (
	"context"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// addTools registers the suite's tools that are worked as tasks. Their names,
// arguments and behaviour are the suite's.
func addTools(tools *mcptasks.Tools) {
	required := &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskRequired}

	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "slow_compute",
		Description: "Takes as many seconds as it is told, then answers",
	}, slowCompute, nil)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "failing_job",
		Description: "Works for a second, then reports that it failed",
	}, failingJob, required)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "protocol_error_job",
		Description: "Ends with a JSON-RPC error instead of a result",
	}, protocolErrorJob, required)
	mcptasks.AddTool(tools, &mcp.Tool{
		Name:        "confirm_delete",
		Description: "Deletes a file after it was confirmed",
	}, confirmDelete, required)
}

type confirmDeleteArgs struct {
	Filename string `json:"filename" jsonschema:"the file to delete"`
}

// confirmDelete must ask before it deletes. Handlers cannot ask questions yet, so
// it says so and deletes nothing.
func confirmDelete(_ context.Context, _ *mcptasks.Run, in confirmDeleteArgs) (*mcp.CallToolResult, any, error) {
	result := text("%s was not deleted: there is no way yet to ask whether it should be", in.Filename)
	result.IsError = true
	return result, nil, nil
}

type greetArgs struct {
	Name string `json:"name" jsonschema:"whom to greet"`
}

// greet is a plain tool of the SDK's: never a task.
func greet(_ context.Context, _ *mcp.CallToolRequest, in greetArgs) (*mcp.CallToolResult, any, error) {
	return text("Hello, %s!", in.Name), nil, nil
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

// work takes d, or less when ctx ends: a cancelled task stops at once.
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
