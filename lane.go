package mcptasks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	sdkjson "github.com/segmentio/encoding/json"
)

// A lane answers a tool's ordinary calls as the SDK's tools/call does, to the byte, but
// without the SDK's decoder, which makes a buffer of 32 KiB for each of the two times
// that it reads a call's arguments, and one more for structured output. The lane reads
// with the SDK's JSON package and the SDK's schemas. It takes what is ordinary in every
// respect; all else, and so all that is refused, is left to the SDK.
type lane[In, Out any] struct {
	handler       Handler[In, Out]
	input, output *jsonschema.Resolved // output is nil if the tool has no schema of it
}

// returned is what a handler returned to the lane and the SDK is to answer.
type returned[Out any] struct {
	result *mcp.CallToolResult
	out    Out
	err    error
}

func newLane[In, Out any](tool *mcp.Tool, handler Handler[In, Out]) (*lane[In, Out], error) {
	input, output, err := schemasOf[In, Out](tool)
	return &lane[In, Out]{handler, input, output}, err
}

// call runs the handler and returns its answer. It returns false if the SDK is to
// answer; the run then has what the handler returned, if it was called.
func (l *lane[In, Out]) call(ctx context.Context, run *Run, arguments json.RawMessage) (*mcp.CallToolResult, bool) {
	accepted, ok := conform(arguments, l.input)
	var in In
	if !ok || !read(accepted, &in) {
		return nil, false
	}
	result, out, err := handle(ctx, run, l.handler, in)
	answer, ok := l.answer(result, out, err)
	if !ok {
		run.unanswered = &returned[Out]{result, out, err}
	}
	return answer, ok
}

// answer is the answer of what the handler returned, if that is ordinary.
func (l *lane[In, Out]) answer(result *mcp.CallToolResult, out Out, err error) (*mcp.CallToolResult, bool) {
	var answer mcp.CallToolResult
	if result != nil {
		answer = *result
	}
	if err != nil || answer.InputRequests != nil {
		return nil, false
	}
	if any(out) != nil {
		structured, ok := l.structure(out)
		if !ok {
			return nil, false
		}
		answer.StructuredContent = structured
		if answer.Content == nil {
			answer.Content = []mcp.Content{&mcp.TextContent{Text: string(structured)}}
		}
	}
	if answer.Content == nil {
		answer.Content = []mcp.Content{}
	}
	return &answer, true
}

// structure returns the output's JSON, if it is an object that passes the schema. A nil
// pointer is none: the SDK makes an object of it.
func (l *lane[In, Out]) structure(out Out) (json.RawMessage, bool) {
	data, err := json.Marshal(out)
	if err != nil || data[0] != '{' {
		return nil, false
	}
	if l.output == nil {
		return data, true
	}
	return conform(data, l.output)
}

// conform returns the JSON object with the schema's defaults, if it passes the schema.
// None is the empty object.
func conform(data json.RawMessage, schema *jsonschema.Resolved) (json.RawMessage, bool) {
	object := make(map[string]any)
	if len(data) > 0 && !read(data, &object) {
		return nil, false
	}
	var value any = object
	if schema.ApplyDefaults(&value) != nil || schema.Validate(&value) != nil {
		return nil, false
	}
	data, err := json.Marshal(value)
	return data, err == nil
}

// sdkDepth is how deep JSON may be nested for the SDK.
const sdkDepth = 1000

// read decodes the JSON as the SDK does.
func read(data json.RawMessage, v any) bool {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > sdkDepth {
		return false
	}
	_, err := sdkjson.Parse(data, v, sdkjson.DontMatchCaseInsensitiveStructFields)
	return err == nil
}

// schemasOf returns the schemas with which the SDK checks a tool's calls. The tool is
// one that the SDK has accepted.
func schemasOf[In, Out any](tool *mcp.Tool) (input, output *jsonschema.Resolved, err error) {
	server, receive := newServer()
	named := *tool
	named.Name = "tool"
	mcp.AddTool(server, &named, func(context.Context, *mcp.CallToolRequest, In) (result *mcp.CallToolResult, out Out, err error) {
		return result, out, nil
	})
	session, err := connect(server)
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	listed, err := receive(context.Background(), "tools/list", &mcp.ListToolsRequest{Session: session})
	if err != nil {
		return nil, nil, err
	}
	list, ok := listed.(*mcp.ListToolsResult)
	if !ok || len(list.Tools) != 1 {
		return nil, nil, fmt.Errorf("the SDK lists %v", listed)
	}
	if input, err = resolve(list.Tools[0].InputSchema); err == nil {
		output, err = resolve(list.Tools[0].OutputSchema)
	}
	return input, output, err
}

// resolve makes ready a schema in any of the forms in which a tool may have it.
func resolve(given any) (*jsonschema.Resolved, error) {
	if given == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	schema, ok := given.(*jsonschema.Schema)
	if !ok {
		data, err := json.Marshal(given)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &schema); err != nil {
			return nil, err
		}
	}
	return schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
}
