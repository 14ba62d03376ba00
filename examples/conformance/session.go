package main

import (
	"context"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// addSessionTools registers the tools that send to the client during the call:
// notifications and, up to 2025-11-25, requests.
func addSessionTools(server *mcp.Server) {
	addPlain(server, "test_tool_with_logging", "Logs three messages", func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, message := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			if err := logInfo(ctx, req, message); err != nil {
				return nil, err
			}
		}
		return text("three messages were logged"), nil
	})
	addPlain(server, "test_logging_tool", "Logs a message, which only clients that asked for logs may get", func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return text("a message was logged"), logInfo(ctx, req, "test_logging_tool was called")
	})
	addPlain(server, "test_tool_with_progress", "Reports progress three times", func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		token := req.Params.GetProgressToken()
		for _, done := range []float64{0, 50, 100} {
			if token != nil {
				progress := &mcp.ProgressNotificationParams{ProgressToken: token, Progress: done, Total: 100}
				if err := req.Session.NotifyProgress(ctx, progress); err != nil {
					return nil, err
				}
			}
			if err := work(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
		}
		return text("all done"), nil
	})

	mcp.AddTool(server, &mcp.Tool{Name: "test_sampling", Description: "Asks the client's model"}, askModel)
	mcp.AddTool(server, &mcp.Tool{Name: "test_elicitation", Description: "Asks the client's user"},
		func(ctx context.Context, req *mcp.CallToolRequest, in elicitationArgs) (*mcp.CallToolResult, any, error) {
			result, err := elicit(ctx, req, in.Message, object("username", "string"))
			return result, nil, err
		})
	for name, properties := range map[string]map[string]any{
		"test_elicitation_sep1034_defaults": defaults,
		"test_elicitation_sep1330_enums":    enums,
	} {
		addPlain(server, name, "Asks the client's user with a form", func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, req, "Please fill in the form", map[string]any{"type": "object", "properties": properties})
		})
	}
}

func logInfo(ctx context.Context, req *mcp.CallToolRequest, message string) error {
	if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Data: message}); err != nil { //nolint:staticcheck // deprecated with 2026-07-28, required by 2025-11-25
		return err
	}
	return work(ctx, 50*time.Millisecond)
}

type samplingArgs struct {
	Prompt string `json:"prompt" jsonschema:"what to ask the model"`
}

func askModel(ctx context.Context, req *mcp.CallToolRequest, in samplingArgs) (*mcp.CallToolResult, any, error) {
	result, err := req.Session.CreateMessage(ctx, sampling(in.Prompt)) //nolint:staticcheck // as above
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: []mcp.Content{result.Content}}, nil, nil
}

// sampling returns a request to the client's model.
//
//nolint:staticcheck // as above
func sampling(prompt string) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: prompt}}},
		MaxTokens: 100,
	}
}

type elicitationArgs struct {
	Message string `json:"message" jsonschema:"what to ask the user"`
}

func elicit(ctx context.Context, req *mcp.CallToolRequest, message string, schema map[string]any) (*mcp.CallToolResult, error) {
	result, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: message, RequestedSchema: schema})
	if err != nil {
		return nil, fmt.Errorf("elicitation failed: %w", err)
	}
	return text("the user chose to %s, with %v", result.Action, result.Content), nil
}

// defaults are form fields with default values (SEP-1034).
var defaults = map[string]any{
	"name":     map[string]any{"type": "string", "default": "John Doe"},
	"age":      map[string]any{"type": "integer", "default": 30},
	"score":    map[string]any{"type": "number", "default": 95.5},
	"status":   map[string]any{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
	"verified": map[string]any{"type": "boolean", "default": true},
}

// enums are form fields with a choice, in each of the forms of SEP-1330.
var enums = map[string]any{
	"untitledSingle": untitled,
	"titledSingle":   map[string]any{"type": "string", "oneOf": titled},
	"legacyEnum": map[string]any{
		"type": "string", "enum": []string{"opt1", "opt2", "opt3"},
		"enumNames": []string{"Option One", "Option Two", "Option Three"},
	},
	"untitledMulti": map[string]any{"type": "array", "items": untitled},
	"titledMulti":   map[string]any{"type": "array", "items": map[string]any{"anyOf": titled}},
}

var (
	untitled = map[string]any{"type": "string", "enum": []string{"option1", "option2", "option3"}}
	titled   = []map[string]any{
		{"const": "value1", "title": "First Option"},
		{"const": "value2", "title": "Second Option"},
		{"const": "value3", "title": "Third Option"},
	}
)
