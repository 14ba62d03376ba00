// Package directcall calls a tool's handler without the SDK's dispatch. Package
// fastpath says why, and when to delete it.
//
// It knows go-sdk's tools/call and one tool at a time. It knows no runs and no tasks:
// the run is a value that it passes on.
package directcall

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	sdkjson "github.com/segmentio/encoding/json"

	"github.com/mcptasks/mcptasks/internal/sdkserver"
)

type (
	// Handler is a tool's handler. R is what it gets beside its input.
	Handler[R, In, Out any] = func(ctx context.Context, run R, in In) (*mcp.CallToolResult, Out, error)
	// Call answers a tools/call of one tool.
	Call[R any] = func(ctx context.Context, run R, arguments json.RawMessage) (mcp.Result, error)
)

// Wrap returns a handler and a call to use in place of the given ones: give the handler
// to the SDK with the tool, and make calls by the call. It answers ordinary calls
// itself. All others it leaves to the given call, which must dispatch through the SDK.
// In each case the given handler runs at most once. Like [mcp.AddTool], Wrap panics if a
// schema of the tool is malformed.
func Wrap[R, In, Out any](tool *mcp.Tool, handler Handler[R, In, Out], call Call[R]) (Handler[R, In, Out], Call[R], error) {
	input, output, err := schemasOf[In, Out](tool)
	if err != nil {
		return nil, nil, err
	}
	d := &direct[R, In, Out]{handler, call, input, output}
	return d.handle, d.call, nil
}

type direct[R, In, Out any] struct {
	handler       Handler[R, In, Out]
	dispatch      Call[R]
	input, output *jsonschema.Resolved // output is nil if the tool has no output schema
}

// returned is what the handler returned when the SDK is to make the answer of it.
type returned[Out any] struct {
	result *mcp.CallToolResult
	out    Out
	err    error
}

type returnedKey struct{}

func (d *direct[R, In, Out]) call(ctx context.Context, run R, arguments json.RawMessage) (mcp.Result, error) {
	accepted, ok := conform(arguments, d.input)
	var in In
	if !ok || !decode(accepted, &in) {
		return d.dispatch(ctx, run, arguments)
	}
	result, out, err := d.handler(ctx, run, in)
	if answer, ok := d.answer(result, out, err); ok {
		return answer, nil
	}
	return d.dispatch(context.WithValue(ctx, returnedKey{}, &returned[Out]{result, out, err}), run, arguments)
}

// handle is what the SDK calls. It does not run the handler again after call has.
func (d *direct[R, In, Out]) handle(ctx context.Context, run R, in In) (*mcp.CallToolResult, Out, error) {
	if r, ok := ctx.Value(returnedKey{}).(*returned[Out]); ok {
		return r.result, r.out, r.err
	}
	return d.handler(ctx, run, in)
}

// answer returns the SDK's answer to a call whose handler returned this, without the
// resultType that belongs to a response. It returns false for errors, questions, and
// output that is not an object or fails the schema.
func (d *direct[R, In, Out]) answer(result *mcp.CallToolResult, out Out, err error) (*mcp.CallToolResult, bool) {
	var answer mcp.CallToolResult
	if result != nil {
		answer = *result
	}
	if err != nil || answer.InputRequests != nil {
		return nil, false
	}
	if any(out) != nil {
		structured, ok := d.structure(out)
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

// structure returns the output as a JSON object that passes the schema. It returns
// false for a nil pointer, of which the SDK makes an object.
func (d *direct[R, In, Out]) structure(out Out) (json.RawMessage, bool) {
	data, err := json.Marshal(out)
	if err != nil || data[0] != '{' {
		return nil, false
	}
	if d.output == nil {
		return data, true
	}
	return conform(data, d.output)
}

// conform returns the JSON object with the schema's defaults filled in, and whether it
// passes the schema. No data stands for the empty object.
func conform(data json.RawMessage, schema *jsonschema.Resolved) (json.RawMessage, bool) {
	object := make(map[string]any)
	if len(data) > 0 && !decode(data, &object) {
		return nil, false
	}
	var value any = object
	if schema.ApplyDefaults(&value) != nil || schema.Validate(&value) != nil {
		return nil, false
	}
	data, err := json.Marshal(value)
	return data, err == nil
}

// sdkDepth is how deep the SDK lets JSON be nested.
const sdkDepth = 1000

// decode decodes with the SDK's JSON package and its options. It may reject JSON that
// the SDK accepts; it never accepts JSON that the SDK rejects.
func decode(data json.RawMessage, v any) bool {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > sdkDepth {
		return false
	}
	_, err := sdkjson.Parse(data, v, sdkjson.DontMatchCaseInsensitiveStructFields)
	return err == nil
}

// schemasOf returns the schemas with which the SDK checks the tool's calls: it asks the
// SDK, which derives those that the tool does not give.
func schemasOf[In, Out any](tool *mcp.Tool) (input, output *jsonschema.Resolved, err error) {
	server := sdkserver.New()
	mcp.AddTool(server.Server, tool, func(context.Context, *mcp.CallToolRequest, In) (result *mcp.CallToolResult, out Out, err error) {
		return result, out, nil
	})
	session, err := server.NewSession()
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	listed, err := server.Dispatch(context.Background(), "tools/list", &mcp.ListToolsRequest{Session: session})
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

// resolve resolves a schema in any of the forms that a tool may give it in.
func resolve(given any) (*jsonschema.Resolved, error) {
	if given == nil {
		return nil, nil //nolint:nilnil // the tool has none
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
