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

// handle is a tool without arguments and structured output, as most of the suite's are.
type handle func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error)

func addPlain(server *mcp.Server, name, description string, h handle) {
	mcp.AddTool(server, &mcp.Tool{Name: name, Description: description},
		func(ctx context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
			result, err := h(ctx, req)
			return result, nil, err
		})
}

// addPlainTools registers the tools of the general suites that need no answer of the
// client. The suite prescribes the texts that it checks.
func addPlainTools(server *mcp.Server) {
	mcp.AddTool(server, &mcp.Tool{Name: "greet", Description: "Greets by name, at once"}, greet)

	addFixedTools(server)
	addErrorTools(server)
	addChangingTools(server)
	addSchemaTools(server)
}

// words is the text that the suite expects.
var words = &mcp.TextContent{Text: "This is a simple text response for testing."}

// addFixedTools registers the tools that always return the same content.
func addFixedTools(server *mcp.Server) {
	picture := &mcp.ImageContent{Data: pixel(), MIMEType: "image/png"}
	resource := &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{
		URI: "test://embedded-resource", MIMEType: "text/plain", Text: "An embedded resource",
	}}
	for _, fixed := range []struct {
		name    string
		content []mcp.Content
	}{
		{"about", []mcp.Content{words}}, // the suite calls the first tool of the list without arguments
		{"test_simple_text", []mcp.Content{words}},
		{"test_image_content", []mcp.Content{picture}},
		{"test_audio_content", []mcp.Content{&mcp.AudioContent{Data: []byte(silence), MIMEType: "audio/wav"}}},
		{"test_embedded_resource", []mcp.Content{resource}},
		{"test_multiple_content_types", []mcp.Content{words, picture, resource}},
		{"test_streaming_elicitation", []mcp.Content{words}}, // the stream of its response must carry no request, so it asks nothing
	} {
		addPlain(server, fixed.name, "Always returns the same content", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: fixed.content}, nil
		})
	}
}

// addErrorTools registers the tools that fail, that need a capability, or that lose their
// connection.
func addErrorTools(server *mcp.Server) {
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
		if err := work(ctx, 100*time.Millisecond); err != nil { // the client reconnects meanwhile
			return nil, err
		}
		return text("the client got the answer after it reconnected"), nil
	})
}

// addChangingTools registers the tools that change the lists of tools and prompts. Adding
// one again is a change too.
func addChangingTools(server *mcp.Server) {
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
}

// addSchemaTools registers tools whose schemas must reach the client unchanged.
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

// greet is a plain tool of the SDK, never a task.
func greet(_ context.Context, _ *mcp.CallToolRequest, in greetArgs) (*mcp.CallToolResult, any, error) {
	return text("Hello, %s!", in.Name), nil, nil
}

// silence is a WAV file without samples: 8 bits, 8 kHz, one channel.
const silence = "RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"

// pixel is a picture of one pixel.
func pixel() []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err) // a bytes.Buffer returns no error
	}
	return out.Bytes()
}
