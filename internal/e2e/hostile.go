package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

// hostileInput sends ids and keys that a database may not hold, and many: each is answered
// as the id of another's task is, and none as a failure of the server's.
func hostileInput(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		_, err := run.Elicit(ctx, "q", confirm("Well?"))
		return nil, nil, err
	}, nil)
	p := serve(t, db, tools, true, nil, nil)
	id := p.call(t, "ask", nil).TaskID
	p.parked(t, id)
	foreign, err := p.Create(t.Context(), "somebody else", mcptasks.CreateParams{Tool: "ask"})
	if err != nil {
		t.Fatal(err)
	}

	unknown := func(id string) string {
		return fmt.Sprint(p.request(t, mcpwire.MethodGet, id, true, map[string]any{"taskId": id}).Error)
	}
	want := unknown(foreign.ID)
	for name, id := range map[string]string{
		"NUL": "\x00", "NUL behind": id + "\x00", "replaced": id[:35] + "\ufffd", "long": strings.Repeat("x", 1<<18), "SQL": "' OR '1'='1",
	} {
		for _, method := range []string{mcpwire.MethodGet, mcpwire.MethodUpdate, mcpwire.MethodCancel} {
			got := p.request(t, method, id, true, map[string]any{"taskId": id, "inputResponses": map[string]any{"q": accepted(map[string]any{"confirm": true})}})
			if fmt.Sprint(got.Error) != want {
				t.Errorf("%s %s is answered with %s %v", method, name, got.Result, got.Error)
			}
		}
	}

	for name, key := range map[string]string{"NUL": "q\x00", "replaced": "q\ufffd", "a megabyte": strings.Repeat("q", 1<<20)} {
		responses := map[string]any{key: accepted(map[string]any{"confirm": true})}
		if got := p.answer(t, id, responses); got.Error != nil {
			t.Errorf("an answer under %s: %v", name, got.Error)
		}
		for where, got := range map[string]answer{
			"inputResponses":  p.request(t, mcpwire.MethodCall, "ask", true, map[string]any{"name": "ask", "inputResponses": responses}),
			"idempotency key": p.requestMeta(t, mcpwire.MethodCall, "ask", true, map[string]any{"name": "ask"}, map[string]any{"claudecode/toolUseId": key}),
		} {
			if got.Error != nil && got.Error.Code != jsonrpc.CodeInvalidParams {
				t.Errorf("%s as %s: %v", name, where, got.Error)
			}
		}
	}
	if got := p.get(t, id); len(got.InputRequests) != 1 {
		t.Errorf("the question is answered: %s %v", got.Status, got.InputRequests)
	}

	// What is not UTF-8 is no JSON, wherever it is.
	for _, params := range []string{`"taskId":"` + id + "\xff" + `"`, `"taskId":"` + id + `","inputResponses":{"` + "\xff" + `":{}}`} {
		if got := p.raw(t, `{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":{`+params+`}}`); !strings.Contains(got, `"code":-32700`) {
			t.Errorf("it is answered with %s", got)
		}
	}

	many := make([]string, 10_000)
	for i := range many {
		many[i] = taskstore.NewID(time.Now())
	}
	many[100] = foreign.ID
	for _, id := range many[:500] {
		if got := unknown(id); got != want {
			t.Fatalf("an unknown id is answered with %s", got)
		}
	}
	got := p.raw(t, `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["`+strings.Join(many, `","`)+`"]},"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"v1"},
		"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}`)
	if !strings.Contains(got, `"taskIds":[]`) {
		t.Errorf("the subscription is to %.500s", got)
	}
}

// raw posts a body as it is, and returns all of the answer.
func (p *program) raw(t *testing.T, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": mcpwire.ExtensionVersion, "Mcp-Method": mcpwire.MethodListen,
	} {
		req.Header.Set(key, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
