package mcptasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// shape is a tool whose answer must not depend on how it is called.
type shape struct {
	name      string
	arguments string
	want      string // a part of the answer: without it two wrong answers would be equal

	inline  func(*mcp.Server)
	durable func(*mcptasks.Tools)
}

// newShape returns a shape that registers the body as a plain go-sdk tool and as a durable
// one. If permanent, the durable handler wraps its error in Permanent.
func newShape[In, Out any](name, arguments, want string, permanent bool, tool *mcp.Tool, body func(In) (*mcp.CallToolResult, Out, error)) shape {
	named := mcp.Tool{}
	if tool != nil {
		named = *tool
	}
	tool = &named
	tool.Name = strings.ReplaceAll(name, " ", "-")
	return shape{
		name: tool.Name, arguments: arguments, want: want,
		inline: func(server *mcp.Server) {
			mcp.AddTool(server, tool, func(_ context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
				return body(in)
			})
		},
		durable: func(tools *mcptasks.Tools) {
			mcptasks.AddTool(tools, tool, func(_ context.Context, _ *mcptasks.Run, in In) (*mcp.CallToolResult, Out, error) {
				result, out, err := body(in)
				if permanent {
					err = mcptasks.Permanent(err)
				}
				return result, out, err
			}, nil)
		},
	}
}

type page struct {
	Title string   `json:"title"`
	Words int64    `json:"words"`
	Tags  []string `json:"tags"`
}

// failing is an output that cannot be encoded: its error is a JSON-RPC error.
type failing struct{ err error }

func (r failing) MarshalJSON() ([]byte, error) { return nil, r.err }

// made returns a new result for each call, since the SDK adds to the result that it gets.
type made func() *mcp.CallToolResult

// texts returns a body without structured output.
func texts(result made, err error) func(nothing) (*mcp.CallToolResult, any, error) {
	return func(nothing) (*mcp.CallToolResult, any, error) { return result(), nil, err }
}

func content(pieces ...mcp.Content) made {
	return func() *mcp.CallToolResult { return &mcp.CallToolResult{Content: pieces} }
}

func noResult() *mcp.CallToolResult { return nil }

func shapes() []shape {
	text := &mcp.TextContent{Text: "naïve <b>&\u2028\x00 text"}
	image := &mcp.ImageContent{MIMEType: "image/png", Data: []byte{0x89, 'P', 'N', 'G'}, Annotations: &mcp.Annotations{Priority: 0.5}}
	isError := func() *mcp.CallToolResult { return &mcp.CallToolResult{Content: []mcp.Content{text}, IsError: true} }
	meta := func() *mcp.CallToolResult {
		return &mcp.CallToolResult{
			Meta:    mcp.Meta{"ours": map[string]any{"_meta": map[string]any{"x": "y"}}},
			Content: []mcp.Content{&mcp.TextContent{Text: "t", Meta: mcp.Meta{"piece": map[string]any{"deep": []any{1.5, nil, true}}}}},
		}
	}
	notThere := &jsonrpc.Error{Code: -32002, Message: "not there", Data: json.RawMessage(`{"uri":"a:b"}`)}
	plain := errors.New("no paper left")

	pageBody := func(result made, p page) func(nothing) (*mcp.CallToolResult, page, error) {
		return func(nothing) (*mcp.CallToolResult, page, error) { return result(), p, nil }
	}
	tides := page{Title: "Tides", Words: 1<<53 + 1, Tags: []string{"sea"}}
	defaults := &mcp.Tool{InputSchema: &jsonschema.Schema{
		Type: "object",
		Properties: map[string]*jsonschema.Schema{
			"title": {Type: "string", Default: json.RawMessage(`"Untitled"`)},
			"words": {Type: "integer", Default: json.RawMessage(`7`)},
			"tags":  {Type: "array"},
		},
	}}
	echo := func(in page) (*mcp.CallToolResult, page, error) { return nil, in, nil }
	outputSchema := func(schema string) *mcp.Tool { return &mcp.Tool{OutputSchema: json.RawMessage(schema)} }

	return []shape{
		newShape("text", ``, `naïve`, false, nil, texts(content(text), nil)),
		newShape("image", ``, `image/png`, false, nil, texts(content(image), nil)),
		newShape("mixed content", ``, `resource_link`, false, nil, texts(content(text, image,
			&mcp.AudioContent{MIMEType: "audio/wav", Data: []byte("RIFF")},
			&mcp.ResourceLink{URI: "a:b", Name: "b"},
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "a:c", Text: "c"}}), nil)),
		newShape("nested meta", ``, `"deep":[1.5,null,true]`, false, nil, texts(meta, nil)),
		newShape("structured", ``, `structuredContent`, false, nil, pageBody(noResult, tides)),
		newShape("structured null list", ``, `tags`, false, nil, pageBody(noResult, page{})),
		newShape("structured and text", ``, `naïve`, false, nil, pageBody(content(text), tides)),
		newShape("structured list", ``, `[1,2]`, false, nil, func(nothing) (*mcp.CallToolResult, []int, error) { return nil, []int{1, 2}, nil }),
		newShape("structured list and text", ``, `naïve`, false, nil, func(nothing) (*mcp.CallToolResult, []int, error) {
			return content(text)(), []int{1, 2}, nil
		}),
		newShape("structured nil pointer", ``, `structuredContent`, false, nil, func(nothing) (*mcp.CallToolResult, *page, error) { return nil, nil, nil }),
		newShape("structured by hand", ``, `"k":"v"`, false, nil, texts(func() *mcp.CallToolResult {
			return &mcp.CallToolResult{StructuredContent: map[string]any{"k": "v"}}
		}, nil)),
		newShape("structured any", ``, `9007199254740993`, false, nil, func(nothing) (*mcp.CallToolResult, any, error) {
			return nil, map[string]any{"n": json.Number("9007199254740993"), "null": nil}, nil
		}),
		newShape("nothing", ``, `"content":[]`, false, nil, texts(noResult, nil)),
		newShape("empty result", ``, `"content":[]`, false, nil, texts(content(), nil)),
		newShape("isError", ``, `"isError":true`, false, nil, texts(isError, nil)),
		newShape("isError and structured", ``, `"isError":true`, false, nil, pageBody(isError, tides)),

		newShape("plain error", ``, `no paper left`, false, nil, texts(noResult, plain)),
		newShape("plain error beside a result", ``, `no paper left`, false, nil, texts(content(text), plain)),
		newShape("jsonrpc error", ``, `-32002`, false, nil, texts(noResult, notThere)),
		newShape("wrapped jsonrpc error", ``, `looking: not there`, false, nil, texts(noResult, fmt.Errorf("looking: %w", notThere))),
		newShape("permanent plain error", ``, `no paper left`, true, nil, texts(noResult, plain)),
		newShape("permanent jsonrpc error", ``, `-32002`, true, nil, texts(noResult, notThere)),
		newShape("permanent wrapped jsonrpc error", ``, `looking: not there`, true, nil, texts(noResult, fmt.Errorf("looking: %w", notThere))),

		newShape("output against its schema", ``, `validating tool output`, false,
			outputSchema(`{"type":"object","properties":{"title":{"maxLength":1}}}`), pageBody(noResult, page{Title: "Tides", Tags: []string{}})),
		newShape("output defaults", ``, `"pages":3`, false,
			outputSchema(`{"type":"object","properties":{"pages":{"default":3}}}`), pageBody(noResult, tides)),
		newShape("output that is no JSON", ``, `marshaling output`, false, nil, func(nothing) (*mcp.CallToolResult, any, error) {
			return nil, func() {}, nil
		}),

		newShape("output with an error of its own", ``, `-32002`, false, nil, func(nothing) (*mcp.CallToolResult, any, error) { return nil, failing{notThere}, nil }),

		newShape("arguments of a wrong type", `{"title":7,"words":1,"tags":[]}`, `"isError":true`, false, nil, echo),
		newShape("arguments missing", `{"title":"Tides"}`, `"isError":true`, false, nil, echo),
		newShape("arguments unknown", `{"title":"Tides","words":1,"tags":[],"more":1}`, `"isError":true`, false, nil, echo),
		newShape("arguments too big for the type", `{"title":"Tides","words":1e300,"tags":[]}`, `"isError":true`, false, nil, echo),
		newShape("no arguments", ``, `"isError":true`, false, nil, echo),
		newShape("arguments as sent", `{"title":"\u0000\ud83d\ude00","words":9007199254740993,"tags":null}`, `"title":"\u0000`, false, nil, echo),
		newShape("input defaults", `{"tags":["a"]}`, `"title":"Untitled","words":7`, false, defaults, echo),
		newShape("input defaults without arguments", ``, `Untitled`, false, defaults,
			func(in page) (*mcp.CallToolResult, any, error) { return nil, in, nil }),
		newShape("input defaults not over what was sent", `{"title":"","words":0}`, `"title":"","words":0`, false, defaults,
			func(in page) (*mcp.CallToolResult, any, error) { return nil, in, nil }),
	}
}

// A durable answer has the JSON that a client of the inline tool reads.
func TestDurableAnswersAreInlineAnswers(t *testing.T) {
	reference := mcp.NewServer(&mcp.Implementation{Name: "reference"}, nil)
	mounted := mcp.NewServer(&mcp.Implementation{Name: "mounted"}, nil)
	tools := mcptasks.NewTools()
	all := shapes()
	for _, shape := range all {
		shape.inline(reference)
		shape.durable(tools)
	}
	for _, tool := range tools.All() {
		tools.Internal().Mount(mounted, tool.Name, nil)
	}
	onReference, onMounted := dial(t, reference), dial(t, mounted)
	caller, err := tools.Internal().NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })

	for _, shape := range all {
		t.Run(shape.name, func(t *testing.T) {
			want := onReference.call(t, shape.name, shape.arguments)
			if !strings.Contains(want.text, shape.want) {
				t.Fatalf("the SDK answers %s, which has no %s: the shape shows nothing", want.text, shape.want)
			}
			want.equal(t, "in the call", onMounted.call(t, shape.name, shape.arguments))

			verdict := caller.Call(t.Context(), toolcall.Call{TaskID: "t1", Attempt: 1, Tool: shape.name, Arguments: json.RawMessage(shape.arguments)})
			want.equal(t, "durably", newAnswer(t, verdict.Outcome.Result, verdict.Outcome.Error))
			if bad, ok := want.value.(map[string]any)["isError"]; verdict.Outcome.IsError != (ok && bad == true) {
				t.Errorf("IsError is %v for %s", verdict.Outcome.IsError, want.text)
			}
			if strings.Contains(string(verdict.Outcome.Result), "resultType") || strings.Contains(string(verdict.Outcome.Result), mcp.MetaKeyServerInfo) {
				t.Errorf("the outcome has what belongs to an answer: %s", verdict.Outcome.Result)
			}
		})
	}
}

// answer is the result or error of a response, without resultType and serverInfo.
type answer struct {
	text  string
	value any
}

func newAnswer(t *testing.T, result json.RawMessage, wireError *jsonrpc.Error) answer {
	t.Helper()
	if wireError != nil {
		var err error
		if result, err = json.Marshal(map[string]any{"error": wireError}); err != nil {
			t.Fatal(err)
		}
	}
	decoder := json.NewDecoder(strings.NewReader(string(result)))
	decoder.UseNumber()
	var value map[string]any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", result, err)
	}
	delete(value, "resultType")
	if meta, ok := value["_meta"].(map[string]any); ok {
		if delete(meta, mcp.MetaKeyServerInfo); len(meta) == 0 {
			delete(value, "_meta")
		}
	}
	return answer{string(result), value}
}

func (a answer) equal(t *testing.T, how string, got answer) {
	t.Helper()
	if !reflect.DeepEqual(a.value, got.value) {
		t.Errorf("%s the answer is\n%s\nthe SDK's is\n%s", how, got.text, a.text)
	}
}

// client is a go-sdk client that also returns the responses as they are on the wire.
type client struct {
	session *mcp.ClientSession
	wire    *tap
}

func dial(t *testing.T, server *mcp.Server) *client {
	t.Helper()
	near, far := mcp.NewInMemoryTransports()
	serving, err := server.Connect(t.Context(), far, nil)
	if err != nil {
		t.Fatal(err)
	}
	wire := &tap{Transport: near, responses: make(chan *jsonrpc.Response, 8)}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client"}, nil).Connect(t.Context(), wire, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		_ = serving.Wait()
	})
	if got := session.InitializeResult().ProtocolVersion; got != "2026-07-28" {
		t.Fatalf("the client speaks %s", got)
	}
	return &client{session, wire}
}

func (c *client) call(t *testing.T, tool, arguments string) answer {
	t.Helper()
	for len(c.wire.responses) > 0 {
		<-c.wire.responses
	}
	params := &mcp.CallToolParams{Name: tool}
	if arguments != "" {
		params.Arguments = json.RawMessage(arguments)
	}
	_, _ = c.session.CallTool(t.Context(), params) // the wire has the error, too
	response := <-c.wire.responses
	var wireError *jsonrpc.Error
	if response.Error != nil && !errors.As(response.Error, &wireError) {
		t.Fatalf("the response's error is a %T", response.Error)
	}
	return newAnswer(t, response.Result, wireError)
}

// tap is a transport that copies the responses that it reads.
type tap struct {
	mcp.Transport
	mcp.Connection
	responses chan *jsonrpc.Response
}

func (p *tap) Connect(ctx context.Context) (mcp.Connection, error) {
	connection, err := p.Transport.Connect(ctx)
	p.Connection = connection
	return tapped{p}, err
}

// tapped is a tap as a connection: both have a Close and differ in it, so that one type
// cannot be both.
type tapped struct{ *tap }

func (p tapped) Read(ctx context.Context) (jsonrpc.Message, error) {
	message, err := p.Connection.Read(ctx)
	if response, ok := message.(*jsonrpc.Response); ok {
		p.responses <- response
	}
	return message, err
}

func (p tapped) Write(ctx context.Context, message jsonrpc.Message) error {
	return p.Connection.Write(ctx, message)
}
func (p tapped) Close() error      { return p.Connection.Close() }
func (p tapped) SessionID() string { return p.Connection.SessionID() }
