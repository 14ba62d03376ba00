package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// laneInput has what JSON may be read into.
type laneInput struct {
	Answer string             `json:"answer,omitempty"` // which the handler gives
	Count  int64              `json:"count,omitempty"`
	Share  float64            `json:"share,omitempty"`
	Due    time.Time          `json:"due,omitzero"`
	Tags   []string           `json:"tags,omitempty"`
	Sizes  map[string]uint8   `json:"sizes,omitempty"`
	Inner  *laneInner         `json:"inner,omitempty"`
	Raw    json.RawMessage    `json:"raw,omitempty"`
	Any    any                `json:"any,omitempty"`
	Bytes  []byte             `json:"bytes,omitempty"`
	Nested struct{ A, B int } `json:"nested,omitzero"`
}

type laneInner struct {
	Count int `json:"count,omitempty"`
}

// laneTool is a tool of these schemas, nil for derived ones, and what its handler was given.
type laneTool struct {
	tools  *Tools
	caller *Caller
	given  []laneInput
}

// laneSchema lets pass what the type's own would not: members by any name.
const laneSchema = `{"type":"object","properties":{"count":{"type":"number","default":7},"answer":{"default":"text"}}}`

func newLaneTool(t testing.TB, input any) *laneTool {
	l := &laneTool{tools: NewTools()}
	AddTool(l.tools, &mcp.Tool{Name: "echo", InputSchema: input}, func(_ context.Context, _ *Run, in laneInput) (*mcp.CallToolResult, any, error) {
		l.given = append(l.given, in)
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
		case "permanent":
			return nil, nil, Permanent(errors.New("no paper left"))
		case "no JSON":
			return nil, func() {}, nil
		case "questions":
			text.InputRequests = mcp.InputRequestMap{}
			return text, nil, nil
		}
		return nil, in.Any, nil
	}, nil)
	caller, err := l.tools.NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	l.caller = caller
	return l
}

// throughSDK has the SDK answer all calls.
func (l *laneTool) throughSDK() *laneTool {
	l.tools.byName["echo"].call = func(context.Context, *Run, json.RawMessage) (*mcp.CallToolResult, bool) { return nil, false }
	return l
}

// call returns what one call came to, and what the handler was given for it.
func (l *laneTool) call(arguments string) (Verdict, []laneInput) {
	l.given = nil
	run := NewRun("t1", 1, Recorded{}, unrecorded{})
	return l.caller.Call(context.Background(), run, CreateParams{Tool: "echo", Arguments: json.RawMessage(arguments)}), l.given
}

// Whatever the arguments, the lane's tool is given and answers what the SDK's is and does.
func FuzzLane(f *testing.F) {
	for _, arguments := range []string{
		``, `null`, `{}`, ` {} `, `[]`, `{"answer":"text"}`, `{"answer":"nothing"}`, `{"answer":"nil"}`,
		`{"answer":"nil","inner":{}}`, `{"answer":"structured","count":9007199254740993}`, `{"answer":"both","share":1e400}`,
		`{"answer":"list","tags":["a",null]}`, `{"answer":"list"}`, `{"answer":"error"}`, `{"answer":"permanent"}`,
		`{"answer":"no JSON"}`, `{"answer":"questions"}`, `{"Answer":"text"}`, `{"ANSWER":"error","answer":"text","Count":3}`,
		`{"answer":"text","answer":"error"}`, `{"count":1.5}`, `{"count":"1"}`, `{"count":null}`, `{"due":"2026-07-28T00:00:00Z"}`,
		`{"due":"yesterday"}`, `{"sizes":{"a":256}}`, `{"sizes":{"a":255}}`, `{"inner":{"count":1}}`, `{"inner":{"Count":1}}`, `{"inner":{"unknown":1}}`,
		`{"raw":{"z":1,"a":[1.0,2e0]}}`, `{"any":{"deep":[{}]}}`, `{"any":"\ud800"}`, "{\"any\":\"\xff\"}", `{"bytes":"AQI="}`, `{"bytes":[1,2]}`,
		`{"nested":{"A":1,"b":2}}`, `{"unknown":true}`, `{} {}`, `{`, `{"any":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`,
		`{"any":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`, `{"any":"<b>&\u2028"}`, `{"any":-0.0}`, `{"any":12345678901234567890}`,
	} {
		f.Add(arguments)
	}
	lanes := []*laneTool{newLaneTool(f, nil), newLaneTool(f, json.RawMessage(laneSchema))}
	sdks := []*laneTool{newLaneTool(f, nil).throughSDK(), newLaneTool(f, json.RawMessage(laneSchema)).throughSDK()}
	f.Fuzz(func(t *testing.T, arguments string) {
		for i, lane := range lanes {
			want, wantGiven := sdks[i].call(arguments)
			got, given := lane.call(arguments)
			if !reflect.DeepEqual(given, wantGiven) {
				t.Fatalf("the handler is given %+v, by the SDK %+v", given, wantGiven)
			}
			said, wantSaid := told(t, got), told(t, want)
			if len(given) == 0 { // the SDK names what it refuses in the order of a map
				said, wantSaid = sorted(said), sorted(wantSaid)
			}
			if got.Retry != want.Retry || (got.Cause == nil) != (want.Cause == nil) || said != wantSaid {
				t.Fatalf("the lane answers %s, the SDK %s", said, wantSaid)
			}
		}
	})
}

func sorted(text string) string {
	letters := []byte(text)
	slices.Sort(letters)
	return string(letters)
}

func told(t *testing.T, v Verdict) string {
	t.Helper()
	text, err := json.Marshal(v.Outcome)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A call that is ordinary does not pass through the SDK, and whatever does runs the
// handler once.
func TestLane(t *testing.T) {
	for arguments, ordinary := range map[string]bool{
		``:                        true,
		`{"answer":"text"}`:       true,
		`{"answer":"nothing"}`:    true,
		`{"answer":"structured"}`: true,
		`{"answer":"both"}`:       true,
		`{"answer":"list"}`:       false,
		`{"answer":"nil"}`:        false,
		`{"answer":"error"}`:      false,
		`{"answer":"no JSON"}`:    false,
	} {
		tool := newLaneTool(t, nil)
		receive, asked := tool.tools.receive, 0
		tool.tools.receive = func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			asked++
			return receive(ctx, method, req)
		}
		_, given := tool.call(arguments)
		if (asked == 0) != ordinary || len(given) != 1 {
			t.Errorf("%s: the SDK was asked %d times, the handler %d", arguments, asked, len(given))
		}
	}
}

func BenchmarkCall(b *testing.B) {
	const arguments = `{"answer":"text","count":5,"tags":["tides","the North Sea"]}`
	b.Run("lane", func(b *testing.B) { benchmarkCall(b, newLaneTool(b, nil), arguments) })
	b.Run("sdk", func(b *testing.B) { benchmarkCall(b, newLaneTool(b, nil).throughSDK(), arguments) })
}

func benchmarkCall(b *testing.B, tool *laneTool, arguments string) {
	b.ReportAllocs()
	for b.Loop() {
		if verdict, _ := tool.call(arguments); verdict.Cause != nil || verdict.Outcome.IsError {
			b.Fatal(verdict)
		}
	}
}
