package mcpwire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

func TestAppendDetailed(t *testing.T) {
	meta := ServerMeta(&mcp.Implementation{Name: "a<b", Version: "1"})
	task := &mcptasks.Task{
		ID: "task", Status: mcptasks.StatusInputRequired, StatusMessage: "☃ <\u2028", TTL: time.Second, PollInterval: time.Millisecond,
		Questions: map[string]mcptasks.Question{"b": {Method: "m"}, "a": {Method: "n", Params: json.RawMessage(`{ "x" : 1 }`)}},
		Outcome:   &mcptasks.Outcome{Error: &jsonrpc.Error{Code: -1, Message: "m", Data: json.RawMessage(`[ 1.0 ]`)}},
	}
	got, err := AppendDetailed([]byte("before "), []byte(`"a"`), meta, task)
	want := `before {"jsonrpc":"2.0","id":"a","result":{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a<b","version":"1"}},` +
		`"resultType":"complete","taskId":"task","status":"input_required","statusMessage":"☃ <\u2028","createdAt":"0001-01-01T00:00:00Z",` +
		`"lastUpdatedAt":"0001-01-01T00:00:00Z","ttlMs":1000,"pollIntervalMs":1,"error":{"code":-1,"message":"m","data":[1.0]},` +
		`"inputRequests":{"a":{"method":"n","params":{"x":1}},"b":{"method":"m","params":null}}}}`
	if string(got) != want || err != nil {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}

// A task that cannot be encoded is an error.
func TestAppendDetailedFails(t *testing.T) {
	for name, task := range map[string]mcptasks.Task{
		"a result":        {Outcome: &mcptasks.Outcome{Result: json.RawMessage(`{`)}},
		"no result":       {Outcome: &mcptasks.Outcome{}},
		"an error's data": {Outcome: &mcptasks.Outcome{Error: &jsonrpc.Error{Data: json.RawMessage(`]`)}}},
		"a question":      {Questions: map[string]mcptasks.Question{"key": {Params: json.RawMessage(` `)}}},
		"a time":          {CreatedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if got, err := AppendDetailed(nil, []byte("1"), []byte("{}"), &task); err == nil {
			t.Errorf("%s became %s", name, got)
		}
	}
}
