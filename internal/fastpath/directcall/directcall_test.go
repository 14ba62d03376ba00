package directcall_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/fastpath/directcall"
	"github.com/mcptasks/mcptasks/internal/sdkserver"
)

// input has fields of all the types that JSON is decoded into.
type input struct {
	Answer string             `json:"answer,omitempty"` // the handler's
	Count  int64              `json:"count,omitempty"`
	Share  float64            `json:"share,omitempty"`
	Due    time.Time          `json:"due,omitzero"`
	Tags   []string           `json:"tags,omitempty"`
	Sizes  map[string]uint8   `json:"sizes,omitempty"`
	Inner  *inner             `json:"inner,omitempty"`
	Raw    json.RawMessage    `json:"raw,omitempty"`
	Any    any                `json:"any,omitempty"`
	Bytes  []byte             `json:"bytes,omitempty"`
	Nested struct{ A, B int } `json:"nested,omitzero"`
}

type inner struct {
	Count int `json:"count,omitempty"`
}

// looseSchema accepts what the schema derived from the type rejects: any members.
const looseSchema = `{"type":"object","properties":{"count":{"type":"number","default":7},"answer":{"default":"text"}}}`

// run is what a call passes to the handler.
type run struct {
	session *mcp.ServerSession
	inputs  []input // of the handler's calls
}

type runKey struct{}

func handle(_ context.Context, run *run, in input) (*mcp.CallToolResult, any, error) {
	run.inputs = append(run.inputs, in)
	text := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Answer}}}
	switch in.Answer {
	case "text":
		return text, nil, nil
	case "nothing":
		return nil, nil, nil
	case "structured":
		return nil, in, nil
	case "both":
		return text, in, nil
	case "list":
		return text, in.Tags, nil
	case "nil":
		return nil, in.Inner, nil
	case "error":
		return text, in, errors.New("no paper left")
	case "JSON-RPC error":
		return nil, nil, &jsonrpc.Error{Code: -32002, Message: "not there"}
	case "no JSON":
		return nil, func() {}, nil
	case "questions":
		text.InputRequests = mcp.InputRequestMap{}
		return text, nil, nil
	}
	return nil, in.Any, nil
}

// tool is a tool with the handler and a schema of its input, nil for the derived one.
type tool struct {
	session    *mcp.ServerSession
	call       directcall.Call[*run]
	dispatched int // calls that went through the SDK
}

// newTool returns a tool whose calls are direct, or else all go through the SDK.
func newTool(t testing.TB, schema any, direct bool) *tool {
	t.Helper()
	server, made, definition := sdkserver.New(), new(tool), &mcp.Tool{Name: "echo", InputSchema: schema}
	handler, call := handle, func(ctx context.Context, r *run, arguments json.RawMessage) (mcp.Result, error) {
		made.dispatched++
		return server.Dispatch(context.WithValue(ctx, runKey{}, r), "tools/call", &mcp.CallToolRequest{
			Session: r.session,
			Params:  &mcp.CallToolParamsRaw{Name: "echo", Arguments: arguments},
		})
	}
	if direct {
		var err error
		if handler, call, err = directcall.Wrap(definition, handler, call); err != nil {
			t.Fatal(err)
		}
	}
	mcp.AddTool(server.Server, definition, func(ctx context.Context, _ *mcp.CallToolRequest, in input) (*mcp.CallToolResult, any, error) {
		return handler(ctx, ctx.Value(runKey{}).(*run), in)
	})
	session, err := server.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	made.session, made.call = session, call
	return made
}

// do makes one call. It returns the inputs that the handler got. A panic is an error: the
// SDK panics when it adds defaults to null.
func (t *tool) do(arguments string) (result mcp.Result, inputs []input, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	r := &run{session: t.session}
	result, err = t.call(context.Background(), r, json.RawMessage(arguments))
	return result, r.inputs, err
}

// A direct call gives the handler the SDK's input, and the client the SDK's answer.
func FuzzDirectCall(f *testing.F) {
	for _, arguments := range []string{
		``, `null`, `{}`, ` {} `, `[]`, `{"answer":"text"}`, `{"answer":"nothing"}`, `{"answer":"nil"}`,
		`{"answer":"nil","inner":{}}`, `{"answer":"structured","count":9007199254740993}`, `{"answer":"both","share":1e400}`,
		`{"answer":"list","tags":["a",null]}`, `{"answer":"list"}`, `{"answer":"error"}`, `{"answer":"JSON-RPC error"}`,
		`{"answer":"no JSON"}`, `{"answer":"questions"}`, `{"Answer":"text"}`, `{"ANSWER":"error","answer":"text","Count":3}`,
		`{"answer":"text","answer":"error"}`, `{"count":1.5}`, `{"count":"1"}`, `{"count":null}`, `{"due":"2026-07-28T00:00:00Z"}`,
		`{"due":"yesterday"}`, `{"sizes":{"a":256}}`, `{"sizes":{"a":255}}`, `{"inner":{"count":1}}`, `{"inner":{"Count":1}}`, `{"inner":{"unknown":1}}`,
		`{"raw":{"z":1,"a":[1.0,2e0]}}`, `{"any":{"deep":[{}]}}`, `{"any":"\ud800"}`, "{\"any\":\"\xff\"}", `{"bytes":"AQI="}`, `{"bytes":[1,2]}`,
		`{"nested":{"A":1,"b":2}}`, `{"unknown":true}`, `{} {}`, `{`, `{"any":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`,
		`{"any":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`, `{"any":"<b>&\u2028"}`, `{"any":-0.0}`, `{"any":12345678901234567890}`,
	} {
		f.Add(arguments)
	}
	loose := json.RawMessage(looseSchema)
	direct := []*tool{newTool(f, nil, true), newTool(f, loose, true)}
	sdk := []*tool{newTool(f, nil, false), newTool(f, loose, false)}
	f.Fuzz(func(t *testing.T, arguments string) {
		for i, direct := range direct {
			wantResult, wantInputs, wantErr := sdk[i].do(arguments)
			result, inputs, err := direct.do(arguments)
			if !reflect.DeepEqual(inputs, wantInputs) {
				t.Fatalf("the handler got %+v, from the SDK %+v", inputs, wantInputs)
			}
			got, want := answer(t, result, err), answer(t, wantResult, wantErr)
			if len(inputs) == 0 { // the SDK lists what it rejects in the order of a map
				got, want = sorted(got), sorted(want)
			}
			if got != want {
				t.Fatalf("the direct answer is %s, the SDK's %s", got, want)
			}
		}
	})
}

func sorted(text string) string {
	letters := []byte(text)
	slices.Sort(letters)
	return string(letters)
}

// answer returns the answer as JSON, without resultType, and with the error that only Go
// code sees.
func answer(t *testing.T, result mcp.Result, err error) string {
	t.Helper()
	if err != nil {
		return "error: " + err.Error()
	}
	r := result.(*mcp.CallToolResult)
	text, err := json.Marshal(&mcp.CallToolResult{
		Meta: r.Meta, Content: r.Content, StructuredContent: r.StructuredContent,
		IsError: r.IsError, InputRequests: r.InputRequests, RequestState: r.RequestState,
	})
	if err != nil {
		return "no JSON: " + err.Error()
	}
	if err := r.GetError(); err != nil {
		return string(text) + " " + err.Error()
	}
	return string(text)
}

// An ordinary call does not pass through the SDK. Whether it does or not, the handler
// runs once.
func TestDirectCall(t *testing.T) {
	for arguments, ordinary := range map[string]bool{
		``:                            true,
		`{"answer":"text"}`:           true,
		`{"answer":"nothing"}`:        true,
		`{"answer":"structured"}`:     true,
		`{"answer":"both"}`:           true,
		`{"answer":"list"}`:           false,
		`{"answer":"nil"}`:            false,
		`{"answer":"error"}`:          false,
		`{"answer":"JSON-RPC error"}`: false,
		`{"answer":"no JSON"}`:        false,
		`{"answer":"questions"}`:      false,
	} {
		tool := newTool(t, nil, true)
		_, inputs, _ := tool.do(arguments)
		if (tool.dispatched == 0) != ordinary || len(inputs) != 1 {
			t.Errorf("%s: %d calls through the SDK, %d of the handler", arguments, tool.dispatched, len(inputs))
		}
	}
}

// The difference is what the package is for.
func BenchmarkDirectCall(b *testing.B) {
	const arguments = `{"answer":"text","count":5,"tags":["tides","the North Sea"]}`
	for name, direct := range map[string]bool{"direct": true, "sdk": false} {
		b.Run(name, func(b *testing.B) {
			tool := newTool(b, nil, direct)
			b.ReportAllocs()
			for b.Loop() {
				if result, _, err := tool.do(arguments); err != nil || result.(*mcp.CallToolResult).IsError {
					b.Fatal(result, err)
				}
			}
		})
	}
}
