package mcpwire

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

func TestCoreTaskOnTheWire(t *testing.T) {
	created := time.Date(2025, 11, 25, 10, 30, 0, 0, time.UTC)
	task := mcptasks.Task{
		ID: "task", Owner: "owner", Tool: "tool", Status: mcptasks.StatusWorking, TTL: time.Minute, PollInterval: 1500 * time.Millisecond,
		CreatedAt: created, UpdatedAt: created.Add(time.Second), FinishedAt: created, ExpiresAt: created,
	}
	with := func(change func(*mcptasks.Task)) *mcptasks.Task {
		changed := task
		change(&changed)
		return &changed
	}
	result := func(isError bool, content string) *mcptasks.Outcome {
		return &mcptasks.Outcome{Result: json.RawMessage(`{"content":[` + content + `]}`), IsError: isError}
	}
	text := func(s string) string { return `{"type":"text","text":"` + s + `"}` }
	fields := func(status string) string {
		return `{"taskId":"task",` + status + `,"createdAt":"2025-11-25T10:30:00Z","lastUpdatedAt":"2025-11-25T10:30:01Z","ttl":60000,"pollInterval":1500}`
	}

	for _, test := range []struct {
		name string
		got  any
		want string
	}{
		{"working", NewCoreTask(&task), fields(`"status":"working"`)},
		{"a handle", NewCoreHandle(&task), `{"task":` + fields(`"status":"working"`) + `}`},
		{"progress", NewCoreTask(with(func(t *mcptasks.Task) { t.StatusMessage = "2/5" })), fields(`"status":"working","statusMessage":"2/5"`)},
		{"a result is not part of the task", NewCoreTask(with(func(t *mcptasks.Task) {
			t.Status, t.Outcome = mcptasks.StatusCompleted, result(false, text("secret"))
		})), fields(`"status":"completed"`)},
		{"an error result is a failed task", NewCoreTask(with(func(t *mcptasks.Task) {
			t.Status, t.StatusMessage, t.Outcome = mcptasks.StatusCompleted, "4/5", result(true, text("disk full")+`,{"type":"image","text":"no"},`+text("sorry"))
		})), fields(`"status":"failed","statusMessage":"disk full\nsorry"`)},
		{"an error result without a text", NewCoreTask(with(func(t *mcptasks.Task) {
			t.Status, t.Outcome = mcptasks.StatusCompleted, result(true, "")
		})), fields(`"status":"failed","statusMessage":"The tool reported an error."`)},
		{"a JSON-RPC error", NewCoreTask(with(func(t *mcptasks.Task) {
			t.Status, t.Outcome = mcptasks.StatusFailed, &mcptasks.Outcome{Error: &jsonrpc.Error{Code: 1, Message: "no", Data: json.RawMessage(`"hidden"`)}}
		})), fields(`"status":"failed","statusMessage":"no"`)},
		{"an empty list", NewCoreList(&mcptasks.Page{}), `{"tasks":[]}`},
		{"a list", NewCoreList(&mcptasks.Page{Tasks: []*mcptasks.Task{&task}, Next: "next"}), `{"tasks":[` + fields(`"status":"working"`) + `],"nextCursor":"next"}`},
	} {
		got, err := json.Marshal(test.got)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n%s, want\n%s", test.name, err, got, test.want)
		}
	}
}

// The additions leave the other members of the SDK's results unchanged.
func TestCoreAdditions(t *testing.T) {
	for _, test := range []struct {
		name string
		got  any
		want string
	}{
		{
			"initialize without capabilities", &CoreInitialize{InitializeResult: &mcp.InitializeResult{ProtocolVersion: "2025-11-25"}},
			`{"capabilities":{"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}},"protocolVersion":"2025-11-25","serverInfo":null}`,
		},
		{
			"initialize with some", &CoreInitialize{List: true, InitializeResult: &mcp.InitializeResult{
				Meta: mcp.Meta{"a": 1}, Capabilities: &mcp.ServerCapabilities{Extensions: map[string]any{"e": map[string]any{}}}, Instructions: "<do>",
			}},
			`{"_meta":{"a":1},"capabilities":{"extensions":{"e":{}},"tasks":{"cancel":{},"list":{},"requests":{"tools":{"call":{}}}}},"instructions":"\u003cdo\u003e","protocolVersion":"","serverInfo":null}`,
		},
	} {
		got, err := json.Marshal(test.got)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n%s, want\n%s", test.name, err, got, test.want)
		}
	}
	got, err := json.Marshal(&CoreTools{
		ListToolsResult: &mcp.ListToolsResult{Tools: []*mcp.Tool{{Name: "a", InputSchema: json.RawMessage(`{"type":"object"}`)}, {Name: "b"}}, NextCursor: "next"},
		Support:         map[string]mcptasks.TaskSupport{"a": mcptasks.TaskRequired},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"execution":{"taskSupport":"required"},"inputSchema":{"type":"object"},"name":"a"`, `{"inputSchema":null,"name":"b"}`, `"nextCursor":"next"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

// ResultText returns valid text of bounded length for any result.
func FuzzResultText(f *testing.F) {
	for _, result := range []string{``, `null`, `7`, `{"content":7}`, `{"content":[7]}`, `{"content":[{"type":"text","text":7}]}`, `{"content":[{"type":"text","text":"a\u0000\ud800"},{"type":"text"}]}`} {
		f.Add([]byte(result))
	}
	f.Add([]byte(`{"content":[{"type":"text","text":"` + strings.Repeat("ä", 5000) + `"}]}`))
	f.Fuzz(func(t *testing.T, result []byte) {
		text := ResultText(result)
		if data, err := json.Marshal(text); err != nil || len(text) > 4096+len("…") || strings.ToValidUTF8(text, "") != text {
			t.Errorf("%q has the text %s", result, data)
		}
	})
}
