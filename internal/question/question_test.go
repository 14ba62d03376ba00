package question_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/question"
)

const (
	sizeSchema = `{"type":"object","properties":{"size":{"type":"integer","minimum":1}},"required":["size"]}`
	sizeOfFour = `{"action":"accept","content":{"size":4}}`
	verse      = `{"role":"assistant","model":"m","content":{"type":"text","text":"a verse"}}`
)

func asked(method, params string) *question.Question {
	return &question.Question{Method: method, Params: json.RawMessage(params)}
}

// form returns a form with this schema.
func form(schema string) *question.Question {
	return asked(question.MethodElicit, `{"mode":"form","message":"?","requestedSchema":`+schema+`}`)
}

func TestQuestionOpen(t *testing.T) {
	for _, test := range []struct {
		question question.Question
		open     bool
	}{
		{question.Question{}, true},
		{question.Question{Response: json.RawMessage(`{"action":"cancel"}`)}, false},
		{question.Question{Expired: true}, false},
	} {
		if got := test.question.Open(); got != test.open {
			t.Errorf("%+v: open is %t", test.question, got)
		}
	}
}

func TestNew(t *testing.T) {
	schema := json.RawMessage(`{"type":"object"}`)
	got, err := question.New(&mcp.ElicitParams{Message: "?", RequestedSchema: schema})
	if err != nil || got.Method != question.MethodElicit || !got.Open() {
		t.Fatalf("got %+v, %v", got, err)
	}
	sampling, err := question.New(&mcp.CreateMessageParams{MaxTokens: 1, Messages: []*mcp.SamplingMessage{}})
	if err != nil || sampling.Method != question.MethodSample {
		t.Errorf("got %+v, %v", sampling, err)
	}
	for says, request := range map[string]mcp.InputRequest{
		"no request": (*mcp.ElicitParams)(nil),
		"roots/list": &mcp.ListRootsParams{},
		"malformed":  &mcp.ElicitParams{RequestedSchema: json.RawMessage(`{"type":"string"}`)},
	} {
		if _, err := question.New(request); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%T: %v, want %q", request, err, says)
		}
	}
}

func TestSameAs(t *testing.T) {
	size := form(sizeSchema)
	for name, test := range map[string]struct {
		other *question.Question
		same  bool
	}{
		"itself":         {size, true},
		"other message":  {asked(question.MethodElicit, `{"message":"Size?","requestedSchema":`+sizeSchema+`}`), true},
		"other layout":   {form(strings.ReplaceAll(sizeSchema, ":", " : ")), true},
		"other schema":   {form(`{"type":"object"}`), false},
		"without schema": {asked(question.MethodElicit, `{}`), false},
		"other method":   {asked(question.MethodSample, string(size.Params)), false},
	} {
		if got := size.SameAs(test.other); got != test.same {
			t.Errorf("%s: %t, want %t", name, got, test.same)
		}
	}
}

func TestMap(t *testing.T) {
	type other struct {
		Method   string
		Params   json.RawMessage
		Response json.RawMessage
		Expired  bool
	}
	from := map[string]question.Question{"q": {Method: "m", Params: json.RawMessage("1"), Response: json.RawMessage("2"), Expired: true}}
	got := question.Map[other](from)
	if want := (other{"m", json.RawMessage("1"), json.RawMessage("2"), true}); len(got) != 1 || !reflect.DeepEqual(got["q"], want) {
		t.Errorf("got %+v", got)
	}
	if got := question.Map[other](map[string]question.Question{}); got != nil {
		t.Errorf("of none: %v", got)
	}
}

const deep = 9_000 // encoding/json takes 10,000

func TestCheckElicitation(t *testing.T) {
	size := form(sizeSchema)
	closed := form(`{"type":"object","properties":{"size":{"type":"integer"}},"additionalProperties":false}`)
	profile := form(`{"type":"object","properties":{
		"name":{"type":"string","minLength":2,"maxLength":5,"pattern":"^[a-zé]+$"},
		"color":{"type":"string","enum":["red","green"]},
		"wants":{"type":"array","items":{"type":"string","enum":["a","b"]},"maxItems":2},
		"share":{"type":"number","maximum":1},
		"sure":{"type":"boolean"}}}`)
	plain := asked(question.MethodElicit, `{"mode":"form","message":"?"}`)
	accepting := func(content string) string { return `{"action":"accept","content":` + content + `}` }

	tests := []struct {
		name     string
		question *question.Question
		response string
		says     string // "" for an answer that is one
	}{
		{"accept", size, sizeOfFour, ""},
		{"accept with other members", size, accepting(`{"size":4,"note":{"deep":[null]}}`), ""},
		{"with _meta and strange members", size, `{"_meta":{"a":1},"zz":[],"action":"accept","content":{"size":4}}`, ""},
		{"integer as 4.0", size, accepting(`{"size":4.0}`), ""},
		{"decline", size, `{"action":"decline"}`, ""},
		{"cancel", size, `{"action":"cancel"}`, ""},
		{"decline with content against the schema", size, `{"action":"decline","content":{"size":"no"}}`, ""},
		{"accept without content", size, `{"action":"accept"}`, "does not match"},
		{"accept with null content", size, accepting(`null`), "does not match"},
		{"accept with empty content", size, accepting(`{}`), "does not match"},
		{"text for a number", size, accepting(`{"size":"4"}`), "does not match"},
		{"null for a number", size, accepting(`{"size":null}`), "does not match"},
		{"fraction", size, accepting(`{"size":4.5}`), "does not match"},
		{"below the minimum", size, accepting(`{"size":0}`), "does not match"},
		{"too big for a number", size, accepting(`{"size":1e999}`), "not an elicitation result"},
		{"content that is a list", size, accepting(`[4]`), "not an elicitation result"},
		{"content that is a number", size, accepting(`4`), "not an elicitation result"},
		{"content that is text", size, accepting(`"{\"size\":4}"`), "not an elicitation result"},
		{"last of two", size, `{"action":"accept","content":{"size":4},"content":{"size":"x"}}`, "does not match"},

		{"member that the schema forbids", closed, accepting(`{"size":4,"note":1}`), "does not match"},
		{"nothing, nothing required", closed, `{"action":"accept"}`, ""},

		{"all kinds", profile, accepting(`{"name":"zoé","color":"red","wants":["a","b"],"share":0.5,"sure":false}`), ""},
		{"too short", profile, accepting(`{"name":"z"}`), "does not match"},
		{"length in characters", profile, accepting(`{"name":"ééééé"}`), ""},
		{"too long", profile, accepting(`{"name":"éééééé"}`), "does not match"},
		{"against the pattern", profile, accepting(`{"name":"a\u0000b"}`), "does not match"},
		{"none of the enum", profile, accepting(`{"color":"blue"}`), "does not match"},
		{"list with a stranger", profile, accepting(`{"wants":["c"]}`), "does not match"},
		{"list too long", profile, accepting(`{"wants":["a","b","a"]}`), "does not match"},
		{"number too big", profile, accepting(`{"share":1.01}`), "does not match"},
		{"text for a boolean", profile, accepting(`{"sure":"true"}`), "does not match"},

		{"no schema", plain, `{"action":"accept"}`, ""},
		{"no schema, any content", plain, accepting(`{"a":[{}]}`), ""},
		{"null schema", form(`null`), accepting(`{"a":1}`), ""},
		{"schema true", form(`true`), accepting(`{"a":1}`), ""},
		{"schema false", form(`false`), accepting(`{}`), "does not match"},
		{"deep content", plain, accepting(`{"a":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`), ""},

		{"unknown action", size, `{"action":"approve"}`, "none of accept, decline, cancel"},
		{"action in capitals", size, `{"action":"ACCEPT","content":{"size":4}}`, "none of"},
		{"no action", size, `{"content":{"size":4}}`, "none of"},
		{"null action", size, `{"action":null}`, "none of"},
		{"action that is a number", size, `{"action":1}`, "not an elicitation result"},
		{"action that is a list", size, `{"action":["accept"]}`, "not an elicitation result"},
		{"sampling result", size, verse, "none of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantCheck(t, test.question, test.response, test.says) })
	}
}

func TestCheckSampling(t *testing.T) {
	plain := asked(question.MethodSample, `{"messages":[],"maxTokens":1}`)
	tools := asked(question.MethodSample, `{"messages":[],"maxTokens":1,"tools":[{"name":"look","inputSchema":{"type":"object"}}]}`)
	saying := func(content string) string { return `{"role":"assistant","model":"m","content":` + content + `}` }
	const text, use = `{"type":"text","text":"t"}`, `{"type":"tool_use","id":"1","name":"look","input":{}}`

	tests := []struct {
		name     string
		question *question.Question
		response string
		says     string
	}{
		{"text", plain, saying(text), ""},
		{"empty text", plain, saying(`{"type":"text","text":""}`), ""},
		{"image", plain, saying(`{"type":"image","mimeType":"image/png","data":"AAAA"}`), ""},
		{"strange members", plain, `{"zz":1,"role":"user","model":"m","content":` + text + `}`, ""},
		{"tool use without tools", plain, saying(use), "without tools"},
		{"list without tools", plain, saying(`[` + text + `,` + text + `]`), "without tools"},
		{"empty list without tools", plain, saying(`[]`), "without tools"},
		{"text where tools are offered", tools, saying(text), ""},
		{"tool use", tools, saying(use), ""},
		{"text and tool use", tools, saying(`[` + text + `,` + use + `]`), ""},
		{"tool result", tools, saying(`{"type":"tool_result","toolUseId":"1","content":[]}`), "not a sampling result"},
		{"no role", plain, `{"model":"m","content":` + text + `}`, "not a sampling result"},
		{"strange role", plain, `{"role":"system","model":"m","content":` + text + `}`, "not a sampling result"},
		{"role that is a number", plain, `{"role":1,"model":"m","content":` + text + `}`, "not a sampling result"},
		{"no content", plain, `{"role":"assistant","model":"m"}`, "not a sampling result"},
		{"null content", plain, saying(`null`), "not a sampling result"},
		{"null in the list", tools, saying(`[null]`), "not a sampling result"},
		{"content that is text", plain, saying(`"t"`), "not a sampling result"},
		{"unknown content", plain, saying(`{"type":"video"}`), "not a sampling result"},
		{"image that is not base64", plain, saying(`{"type":"image","mimeType":"image/png","data":"*"}`), "not a sampling result"},
		{"elicitation result", plain, sizeOfFour, "not a sampling result"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantCheck(t, test.question, test.response, test.says) })
	}
}

// These are results of no method.
func TestCheckHostileJSON(t *testing.T) {
	hostile := map[string]string{
		"nothing":        ``,
		"null":           `null`,
		"true":           `true`,
		"number":         `7`,
		"huge number":    `1e999`,
		"text":           `"accept"`,
		"list":           `[]`,
		"list of one":    `[{"action":"accept","role":"user"}]`,
		"empty":          `{}`,
		"cut off":        `{"action":"accept"`,
		"two values":     `{"action":"accept"}{}`,
		"bytes":          "\xff\xfe\x00",
		"deep lists":     strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"too deep":       strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
		"deep objects":   strings.Repeat(`{"content":`, deep) + "1" + strings.Repeat("}", deep),
		"endless opener": strings.Repeat(`{"action":`, 100_000),
	}
	for name, response := range hostile {
		t.Run(name, func(t *testing.T) {
			wantCheck(t, form(sizeSchema), response, " ")
			wantCheck(t, asked(question.MethodElicit, `{}`), response, " ")
			wantCheck(t, asked(question.MethodSample, `{}`), response, " ")
		})
	}
	wantCheck(t, form(sizeSchema), "", "not an elicitation result")
}

// wantCheck expects that the response is an answer if says is "", and otherwise a short
// error with these words.
func wantCheck(t *testing.T, q *question.Question, response, says string) {
	t.Helper()
	err := q.Check(json.RawMessage(response))
	switch {
	case says == "" && err != nil:
		t.Errorf("rejected: %v", err)
	case says != "" && err == nil:
		t.Error("accepted")
	case says != "" && (!strings.Contains(err.Error(), says) || len(err.Error()) > 3000):
		t.Errorf("the client reads %.2000q, want it to say %s", err, says)
	}
}

// An error does not repeat a long answer.
func TestCheckErrorIsShort(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	for _, response := range []string{
		`{"action":"accept","content":{"size":"` + long + `"}}`,
		`{"action":"accept","content":{"` + long + `":1}}`,
		`{"action":"` + long + `"}`,
	} {
		q := form(`{"type":"object","properties":{"size":{"type":"integer"}},"additionalProperties":false}`)
		wantCheck(t, q, response, " ")
	}
	wantCheck(t, form(`{"properties":{"a":{"enum":["x"]}}}`), `{"action":"accept","content":{"a":"`+long+`"}}`, "does not match")
	wantCheck(t, form(`{"properties":{"a":{"pattern":"x"}}}`), `{"action":"accept","content":{"a":"`+long+`"}}`, "does not match")
}
