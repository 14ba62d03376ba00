package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// handle is what most of the suite's tools are: no arguments, no structured output.
type handle func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error)

func addPlain(server *mcp.Server, name, description string, h handle) {
	mcp.AddTool(server, &mcp.Tool{Name: name, Description: description},
		func(ctx context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
			result, err := h(ctx, req)
			return result, nil, err
		})
}

// addPlainTools registers the tools of the general suites that need nothing of
// the client but that it waits. Where the suite looks at a text, it is the suite's.
func addPlainTools(server *mcp.Server) {
	mcp.AddTool(server, &mcp.Tool{Name: "greet", Description: "Greets by name, at once"}, greet)

	words := &mcp.TextContent{Text: "This is a simple text response for testing."}
	picture := &mcp.ImageContent{Data: pixel(), MIMEType: "image/png"}
	resource := &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{
		URI: "test://embedded-resource", MIMEType: "text/plain", Text: "An embedded resource",
	}}
	for _, fixed := range []struct {
		name    string
		content []mcp.Content
	}{
		{"about", []mcp.Content{words}}, // the first in the list, which the suite calls whatever it is, without arguments
		{"test_simple_text", []mcp.Content{words}},
		{"test_image_content", []mcp.Content{picture}},
		{"test_audio_content", []mcp.Content{&mcp.AudioContent{Data: []byte(silence), MIMEType: "audio/wav"}}},
		{"test_embedded_resource", []mcp.Content{resource}},
		{"test_multiple_content_types", []mcp.Content{words, picture, resource}},
		{"test_streaming_elicitation", []mcp.Content{words}}, // its answer's stream must carry no request: it asks nothing
	} {
		addPlain(server, fixed.name, "Answers the same every time", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: fixed.content}, nil
		})
	}

	addPlain(server, "test_error_handling", "Fails", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, errors.New("this tool intentionally returns an error for testing")
	})
	addPlain(server, "test_missing_capability", "Needs a client that can sample", func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if can := req.ClientCapabilities(); can != nil && can.Sampling != nil { //nolint:staticcheck // deprecated with 2026-07-28, and the suite's example
			return text("the client can sample"), nil
		}
		return nil, &jsonrpc.Error{
			Code:    mcp.CodeMissingRequiredClientCapabilities,
			Message: "the client has not declared sampling",
			Data:    json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`),
		}
	})
	addPlain(server, "test_reconnection", "Closes its stream in the middle of the call", func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if extra := req.GetExtra(); extra != nil && extra.CloseSSEStream != nil {
			extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 10 * time.Millisecond})
		}
		if err := work(ctx, 100*time.Millisecond); err != nil { // the client comes back
			return nil, err
		}
		return text("the answer found the client again"), nil
	})

	// Adding what is there already is a change, too.
	addPlain(server, "test_trigger_tool_change", "Changes the list of tools", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		addPlain(server, "test_added_tool", "Was added while the server ran", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return text("added"), nil
		})
		return text("the list has changed"), nil
	})
	addPlain(server, "test_trigger_prompt_change", "Changes the list of prompts", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		server.AddPrompt(&mcp.Prompt{Name: "test_added_prompt", Description: "Was added while the server ran"}, userSays(words))
		return text("the list has changed"), nil
	})

	addSchemaTools(server)
}

// addSchemaTools registers tools for the sake of their schemas, which must reach
// the client as they are here.
func addSchemaTools(server *mcp.Server) {
	mcp.AddTool(server, &mcp.Tool{
		Name:        "test_x_mcp_header",
		Description: "Has an argument that is also sent as a header",
		InputSchema: json.RawMessage(`{"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}`),
	}, func(_ context.Context, _ *mcp.CallToolRequest, in struct {
		Region string `json:"region"`
	},
	) (*mcp.CallToolResult, any, error) {
		return text("region %s", in.Region), nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{
		Name:        "json_schema_2020_12_tool",
		Description: "Uses the vocabulary of JSON Schema 2020-12",
		InputSchema: json.RawMessage(`{
			"$schema": "https://json-schema.org/draft/2020-12/schema",
			"type": "object",
			"$defs": {"address": {"$anchor": "address", "type": "object", "properties": {"city": {"type": "string"}}}},
			"properties": {
				"address": {"$ref": "#/$defs/address"},
				"by": {"enum": ["phone", "email"]},
				"phone": {"type": "string"},
				"email": {"type": "string"}
			},
			"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
			"if": {"properties": {"by": {"const": "phone"}}, "required": ["by"]},
			"then": {"required": ["phone"]},
			"else": {"required": ["email"]},
			"additionalProperties": false
		}`),
	}, func(_ context.Context, _ *mcp.CallToolRequest, in json.RawMessage) (*mcp.CallToolResult, any, error) {
		return text("called with %s", in), nil, nil
	})
}

type greetArgs struct {
	Name string `json:"name" jsonschema:"whom to greet"`
}

// greet is a plain tool of the SDK's: never a task.
func greet(_ context.Context, _ *mcp.CallToolRequest, in greetArgs) (*mcp.CallToolResult, any, error) {
	return text("Hello, %s!", in.Name), nil, nil
}

// silence is a WAV file without a sample: 8 bits, 8 kHz, one channel.
const silence = "RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"

// pixel is a picture of one pixel.
func pixel() []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}
