package mcptasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

func elicit(message, schema string) *mcp.ElicitParams {
	params := &mcp.ElicitParams{Message: message}
	if schema != "" {
		params.RequestedSchema = json.RawMessage(schema)
	}
	return params
}

func sample(prompt string) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{MaxTokens: 100, Messages: []*mcp.SamplingMessage{
		{Role: "user", Content: &mcp.TextContent{Text: prompt}},
	}}
}

const (
	sizeSchema = `{"type":"object","properties":{"size":{"type":"integer","minimum":1}},"required":["size"]}`
	sizeOfFour = `{"action":"accept","content":{"size":4}}`
	verse      = `{"role":"assistant","model":"m","content":{"type":"text","text":"a verse"}}`
)

// runAfter returns the next run: it finds what the journal has recorded.
func runAfter(journal *memory) *mcptasks.Run {
	return mcptasks.NewRun(toolcall.Call{TaskID: "t1", Attempt: 1, Questions: maps.Clone(journal.questions), Journal: journal})
}

func (m *memory) answer(t *testing.T, key, response string) {
	t.Helper()
	question, ok := m.questions[key]
	if !ok {
		t.Fatalf("no question %q among %v", key, m.questions)
	}
	if err := question.Check(json.RawMessage(response)); err != nil {
		t.Fatalf("%s: %v", response, err)
	}
	question.Response = json.RawMessage(response)
	m.questions[key] = question
}

func (m *memory) expire(key string) {
	question := m.questions[key]
	question.Expired = true
	m.questions[key] = question
}

func (m *memory) open() []string {
	var open []string
	for key, question := range m.questions {
		if question.Open() {
			open = append(open, key)
		}
	}
	slices.Sort(open)
	return open
}

// wantPermanent expects an error that is not retried.
func wantPermanent(t *testing.T, err error, words ...string) {
	t.Helper()
	verdict := verdictOf(t, nil, func(context.Context, *mcptasks.Run, nothing) (*mcp.CallToolResult, any, error) {
		return nil, nil, err
	})
	if err == nil || verdict.Retry {
		t.Errorf("the error %v is not permanent", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error is %q, want it to say %s", err, word)
		}
	}
}

func TestElicitParks(t *testing.T) {
	journal := &memory{}
	result, err := runAfter(journal).Elicit(t.Context(), "size", elicit("Which size?", sizeSchema))
	if result != nil || !errors.Is(err, mcptasks.ErrParked) {
		t.Fatalf("got %v, %v, want ErrParked", result, err)
	}
	question := journal.questions["size"]
	if len(journal.questions) != 1 || question.Method != mcptasks.MethodElicit || !question.Open() {
		t.Errorf("stored: %v", journal.questions)
	}
	var params struct{ Mode, Message string }
	if err := json.Unmarshal(question.Params, &params); err != nil || params.Message != "Which size?" || params.Mode != "form" {
		t.Errorf("the client is sent %s (%v)", question.Params, err)
	}

	// It waits again if it runs again without an answer.
	if _, err = runAfter(journal).Elicit(t.Context(), "size", elicit("Which size?", sizeSchema)); !errors.Is(err, mcptasks.ErrParked) {
		t.Errorf("asked again: %v, want ErrParked", err)
	}
}

func TestElicitReturnsTheAnswer(t *testing.T) {
	for _, answer := range []struct {
		response, action string
		size             any
	}{
		{sizeOfFour, "accept", 4.0},
		{`{"action":"decline"}`, "decline", nil},
		{`{"action":"cancel"}`, "cancel", nil},
	} {
		t.Run(answer.action, func(t *testing.T) {
			journal := &memory{}
			_, _ = runAfter(journal).Elicit(t.Context(), "size", elicit("Which size?", sizeSchema))
			journal.answer(t, "size", answer.response)
			run := runAfter(journal)
			for range 2 { // the same run may ask twice
				result, err := run.Elicit(t.Context(), "size", elicit("Which size?", sizeSchema))
				if err != nil || result.Action != answer.action || result.Content["size"] != answer.size {
					t.Errorf("got %+v, %v", result, err)
				}
			}
			if journal.parks != 1 {
				t.Errorf("parked %d times", journal.parks)
			}
		})
	}
}

func TestElicitByURL(t *testing.T) {
	journal := &memory{}
	params := &mcp.ElicitParams{Message: "Sign in.", URL: "https://example.com/sign-in", ElicitationID: "e1"}
	_, _ = runAfter(journal).Elicit(t.Context(), "sign", params)
	if got := string(journal.questions["sign"].Params); !strings.Contains(got, `"mode":"url"`) {
		t.Errorf("the client is sent %s", got)
	}
	journal.answer(t, "sign", `{"action":"accept"}`)
	if result, err := runAfter(journal).Elicit(t.Context(), "sign", params); err != nil || result.Action != "accept" {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestSample(t *testing.T) {
	journal := &memory{}
	if _, err := runAfter(journal).Sample(t.Context(), "poem", sample("A verse, please.")); !errors.Is(err, mcptasks.ErrParked) {
		t.Fatalf("got %v, want ErrParked", err)
	}
	if got := journal.questions["poem"].Method; got != mcptasks.MethodSample {
		t.Errorf("asked %s", got)
	}
	journal.answer(t, "poem", verse)
	result, err := runAfter(journal).Sample(t.Context(), "poem", sample("A verse, please."))
	if err != nil || result.Content.(*mcp.TextContent).Text != "a verse" {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestAsk(t *testing.T) {
	tools := &mcp.CreateMessageWithToolsParams{MaxTokens: 1, Messages: []*mcp.SamplingMessageV2{}, Tools: []*mcp.Tool{{Name: "look"}}}
	questions := mcp.InputRequestMap{"size": elicit("Which size?", sizeSchema), "poem": sample("A verse."), "tools": tools}
	journal := &memory{}
	wantOpen := func(want ...string) {
		t.Helper()
		answers, err := runAfter(journal).Ask(t.Context(), questions)
		if answers != nil || !errors.Is(err, mcptasks.ErrParked) {
			t.Errorf("got %v, %v, want ErrParked", answers, err)
		}
		if got := journal.open(); !slices.Equal(got, want) {
			t.Errorf("open: %q, want %q", got, want)
		}
	}
	wantOpen("poem", "size", "tools")
	journal.answer(t, "poem", verse)
	wantOpen("size", "tools")
	journal.answer(t, "size", sizeOfFour)
	wantOpen("tools")
	journal.answer(t, "tools", `{"role":"assistant","model":"m","content":[{"type":"tool_use","id":"1","name":"look","input":{}},{"type":"text","text":"t"}]}`)

	answers, err := runAfter(journal).Ask(t.Context(), questions)
	if err != nil || len(answers) != 3 {
		t.Fatalf("got %v, %v", answers, err)
	}
	if got := answers["size"].(*mcp.ElicitResult).Content["size"]; got != 4.0 {
		t.Errorf("size: %v", got)
	}
	if got := answers["poem"].(*mcp.CreateMessageWithToolsResult).Content[0].(*mcp.TextContent).Text; got != "a verse" {
		t.Errorf("poem: %v", got)
	}
	if got := answers["tools"].(*mcp.CreateMessageWithToolsResult).Content; len(got) != 2 {
		t.Errorf("tools: %v", got)
	}
	if journal.parks != 3 {
		t.Errorf("parked %d times, want 3", journal.parks)
	}
}

func TestAskNothing(t *testing.T) {
	journal := &memory{}
	answers, err := runAfter(journal).Ask(t.Context(), nil)
	if err != nil || answers == nil || len(answers) != 0 || journal.parks != 0 {
		t.Errorf("got %v, %v, parked %d times", answers, err, journal.parks)
	}
}

// The question decides the type of the answer, whatever members the client adds.
func TestAnswersAreReadByTheirQuestion(t *testing.T) {
	questions := mcp.InputRequestMap{"size": elicit("Which size?", ""), "poem": sample("A verse.")}
	journal := &memory{}
	_, _ = runAfter(journal).Ask(t.Context(), questions)
	journal.answer(t, "size", `{"action":"accept","roots":7,"role":"user"}`)
	journal.answer(t, "poem", `{"role":"assistant","model":"m","content":{"type":"text","text":"t"},"action":"accept","roots":[]}`)
	answers, err := runAfter(journal).Ask(t.Context(), questions)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := answers["size"].(*mcp.ElicitResult); !ok {
		t.Errorf("size is a %T", answers["size"])
	}
	if _, ok := answers["poem"].(*mcp.CreateMessageWithToolsResult); !ok {
		t.Errorf("poem is a %T", answers["poem"])
	}
}

// A key is one question for the task's whole life. Another method or schema under it is a
// mistake in the program. Another message is not.
func TestAskedAgain(t *testing.T) {
	const otherSchema = `{"type":"object","properties":{"size":{"type":"string"}}}`
	tests := map[string]struct {
		request  mcp.InputRequest
		rejected bool
	}{
		"other words":          {elicit("What size, please?", sizeSchema), false},
		"other layout":         {elicit("Which size?", strings.ReplaceAll(sizeSchema, ":", ": ")), false},
		"other order":          {elicit("Which size?", `{"required":["size"],"properties":{"size":{"minimum":1,"type":"integer"}},"type":"object"}`), false},
		"schema of other type": {&mcp.ElicitParams{RequestedSchema: schemaOf(t, sizeSchema)}, false},
		"other schema":         {elicit("Which size?", otherSchema), true},
		"no schema":            {elicit("Which size?", ""), true},
		"other method":         {sample("Which size?"), true},
	}
	for name, test := range tests {
		for _, state := range []string{"open", "answered", "expired"} {
			t.Run(name+" "+state, func(t *testing.T) {
				journal := &memory{}
				_, _ = runAfter(journal).Elicit(t.Context(), "size", elicit("Which size?", sizeSchema))
				want := mcptasks.ErrParked
				switch state {
				case "answered":
					journal.answer(t, "size", sizeOfFour)
					want = nil
				case "expired":
					journal.expire("size")
					want = mcptasks.ErrUnanswered
				}
				first := string(journal.questions["size"].Params)
				_, err := runAfter(journal).Ask(t.Context(), mcp.InputRequestMap{"size": test.request})
				if test.rejected {
					wantPermanent(t, err, `"size"`, "another method or schema")
					if journal.parks != 1 {
						t.Error("it was asked")
					}
				} else if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				if got := string(journal.questions["size"].Params); got != first {
					t.Errorf("the stored question became %s", got)
				}
			})
		}
	}
}

// Without schemas only the method differs.
func TestAskedAgainByAnotherMethod(t *testing.T) {
	journal := &memory{}
	_, _ = runAfter(journal).Elicit(t.Context(), "q", elicit("?", ""))
	_, err := runAfter(journal).Sample(t.Context(), "q", sample("?"))
	wantPermanent(t, err, `"q"`, "another method or schema")
}

func schemaOf(t *testing.T, data string) *jsonschema.Schema {
	t.Helper()
	schema := new(jsonschema.Schema)
	if err := json.Unmarshal([]byte(data), schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestMistakesInQuestionsArePermanent(t *testing.T) {
	type disguised struct{ *mcp.ElicitParams }
	tests := map[string]struct {
		key     string
		request mcp.InputRequest
		words   []string
	}{
		"empty key":                {"", elicit("?", ""), []string{"key is empty"}},
		"nil":                      {"q", nil, []string{`"q"`, "no request"}},
		"nil elicitation":          {"q", (*mcp.ElicitParams)(nil), []string{`"q"`, "no request"}},
		"nil sampling":             {"q", (*mcp.CreateMessageParams)(nil), []string{"no request"}},
		"roots":                    {"q", &mcp.ListRootsParams{}, []string{"roots/list"}},
		"type that MCP lacks":      {"q", disguised{elicit("?", "")}, []string{"unsupported type"}},
		"schema that is no schema": {"q", elicit("?", `{"type":7}`), []string{"malformed"}},
		"schema that is a list":    {"q", elicit("?", `[]`), []string{"malformed"}},
		"schema of no object":      {"q", elicit("?", `{"type":"string"}`), []string{"malformed", "string"}},
		"schema that is elsewhere": {"q", elicit("?", `{"$ref":"https://example.com/schema"}`), []string{"malformed"}},
		"schema with a bad regexp": {"q", elicit("?", `{"properties":{"a":{"pattern":"("}}}`), []string{"malformed"}},
		"schema that is no JSON":   {"q", &mcp.ElicitParams{RequestedSchema: func() {}}, []string{"unsupported type"}},
		"params that are no JSON":  {"q", &mcp.CreateMessageParams{Metadata: make(chan int)}, []string{"unsupported type"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			journal := &memory{}
			_, err := runAfter(journal).Ask(t.Context(), mcp.InputRequestMap{test.key: test.request, "other": elicit("?", "")})
			wantPermanent(t, err, test.words...)
			if len(journal.questions) != 0 {
				t.Errorf("asked: %v", journal.questions)
			}
		})
	}
	t.Run("Elicit", func(t *testing.T) {
		_, err := runAfter(&memory{}).Elicit(t.Context(), "q", nil)
		wantPermanent(t, err, "no request")
	})
	t.Run("Sample", func(t *testing.T) {
		_, err := runAfter(&memory{}).Sample(t.Context(), "q", nil)
		wantPermanent(t, err, "no request")
	})
}

func TestUnanswered(t *testing.T) {
	questions := mcp.InputRequestMap{"size": elicit("Which size?", sizeSchema), "poem": sample("A verse."), "late": elicit("When?", ""), "open": elicit("?", "")}
	journal := &memory{}
	_, _ = runAfter(journal).Ask(t.Context(), questions)
	journal.answer(t, "poem", verse)
	journal.expire("size")
	journal.expire("late")

	answers, err := runAfter(journal).Ask(t.Context(), questions)
	if !errors.Is(err, mcptasks.ErrUnanswered) || !strings.Contains(err.Error(), "late, size") {
		t.Errorf("got %v, want ErrUnanswered with the keys", err)
	}
	if got := slices.Collect(maps.Keys(answers)); !slices.Equal(got, []string{"poem"}) {
		t.Errorf("answers to %q, want to poem alone", got)
	}
	if result, err := runAfter(journal).Elicit(t.Context(), "size", elicit("Which size?", sizeSchema)); result != nil || !errors.Is(err, mcptasks.ErrUnanswered) {
		t.Errorf("Elicit: %v, %v", result, err)
	}
	if _, err := runAfter(journal).Elicit(t.Context(), "open", elicit("?", "")); !errors.Is(err, mcptasks.ErrParked) {
		t.Errorf("a question within its deadline: %v, want ErrParked", err)
	}
	if journal.parks != 2 {
		t.Errorf("parked %d times, want 2", journal.parks)
	}

	// The task does not end with it, and it is not permanent.
	verdict := verdictOf(t, nil, func(context.Context, *mcptasks.Run, nothing) (*mcp.CallToolResult, any, error) { return nil, nil, err })
	if !verdict.Retry {
		t.Errorf("verdict %+v", verdict)
	}
}

func TestAskInAnEndedContext(t *testing.T) {
	for _, cause := range []error{mcptasks.ErrCancelled, mcptasks.ErrParked, mcptasks.ErrShutdown, mcptasks.ErrRunTimeout} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		journal := &memory{}
		if _, err := runAfter(journal).Elicit(ctx, "size", elicit("Which size?", sizeSchema)); !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
		if len(journal.questions) != 0 {
			t.Errorf("%v: a question was stored: %v", cause, journal.questions)
		}
	}
}

func TestAskInARunThatLostItsTask(t *testing.T) {
	if _, err := runAfter(&memory{err: mcptasks.ErrSuperseded}).Sample(t.Context(), "poem", sample("?")); !errors.Is(err, mcptasks.ErrSuperseded) {
		t.Errorf("got %v, want ErrSuperseded", err)
	}
}

// Answers are checked before they are stored. One that still cannot be read is a permanent
// error.
func TestStoredAnswerThatCannotBeRead(t *testing.T) {
	journal := &memory{}
	_, _ = runAfter(journal).Ask(t.Context(), mcp.InputRequestMap{"size": elicit("?", ""), "poem": sample("?")})
	for key, question := range journal.questions {
		question.Response = json.RawMessage(`[]`)
		journal.questions[key] = question
	}
	_, err := runAfter(journal).Elicit(t.Context(), "size", elicit("?", ""))
	wantPermanent(t, err, `"size"`)
	_, err = runAfter(journal).Ask(t.Context(), mcp.InputRequestMap{"poem": sample("?")})
	wantPermanent(t, err, `"poem"`)
}

func TestToolThatForbidsTasksCannotAsk(t *testing.T) {
	tools := mcptasks.NewTools()
	var asked error
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, func(ctx context.Context, run *mcptasks.Run, _ nothing) (*mcp.CallToolResult, any, error) {
		_, asked = run.Elicit(ctx, "size", elicit("Which size?", sizeSchema))
		return nil, nil, asked
	}, &mcptasks.ToolOptions{TaskSupport: mcptasks.TaskForbidden})
	server := mcp.NewServer(&mcp.Implementation{Name: "server"}, nil)
	tools.Internal().Mount(server, "report", nil)
	answer := fmt.Sprint(dial(t, server).call(t, "report", ``))
	wantPermanent(t, asked, "cannot ask")
	if !strings.Contains(answer, "cannot ask") {
		t.Errorf("the client reads %s", answer)
	}
}
