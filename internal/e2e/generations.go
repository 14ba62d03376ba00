package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// A coreSession is a 2025-11-25 client's with one node.
type coreSession struct {
	t       *testing.T
	url, id string
}

// send sends a message and returns the answer's stream, without one an empty one.
func (s *coreSession) send(message string) *bufio.Scanner {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, strings.NewReader(message))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if s.id != "" {
		req.Header.Set("Mcp-Session-Id", s.id)
		req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		s.id = id
	}
	return bufio.NewScanner(res.Body)
}

// read returns the next message of a stream.
func (s *coreSession) read(stream *bufio.Scanner) string {
	s.t.Helper()
	for stream.Scan() {
		if message, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
			return message
		}
	}
	s.t.Fatal("the stream ended", stream.Err())
	return ""
}

func (s *coreSession) ask(method, params string) string {
	s.t.Helper()
	return s.read(s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":%s}`, method, params)))
}

// bothGenerations has a 2025-11-25 client of one node, whose tasks another works, and
// clients of 2026-07-28 that see the same tasks.
func bothGenerations(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "asks"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		answer, err := run.Elicit(ctx, "name", &mcp.ElicitParams{Message: "who?"})
		if err != nil {
			return nil, nil, err
		}
		return done(fmt.Sprint("Hello, ", answer.Content["name"])), nil, nil
	}, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "breaks"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("it broke")
	}, nil)
	owner := func(context.Context, mcp.Request) (mcptasks.Owner, error) { return "alice", nil }
	serves := serve(t, db, tools, false, nil, &mcpserver.Options{Owner: owner})
	works := serve(t, db, tools, true, nil, &mcpserver.Options{Owner: owner})

	session := &coreSession{t: t, url: serves.url}
	session.read(session.send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}`))
	session.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	t.Cleanup(func() { // the node's server waits for its sessions
		req, _ := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodDelete, serves.url, nil)
		req.Header.Set("Mcp-Session-Id", session.id)
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
		}
	})

	create := func(tool string) string {
		var created struct {
			Result struct {
				Task struct {
					TaskID string
					TTL    int64
				}
			}
		}
		answer := session.ask("tools/call", fmt.Sprintf(`{"name":%q,"arguments":{},"task":{"ttl":3600000}}`, tool))
		if err := json.Unmarshal([]byte(answer), &created); err != nil || created.Result.Task.TTL != time.Hour.Milliseconds() {
			t.Fatalf("%s was answered with %s", tool, answer)
		}
		return created.Result.Task.TaskID
	}

	asks := create("asks")
	result := session.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":8,"method":"tasks/result","params":{"taskId":%q}}`, asks))
	if question := session.read(result); !strings.Contains(question, `"message":"who?"`) || !strings.Contains(question, asks) {
		t.Fatalf("it was asked %s", question)
	}
	session.send(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"name":"Ada"}}}`)
	if answer := session.read(result); !strings.Contains(answer, "Hello, Ada") {
		t.Errorf("tasks/result was answered with %s", answer)
	}
	if task := works.get(t, asks); task.Status != mcptasks.StatusCompleted || !strings.Contains(string(task.Result), "Hello, Ada") {
		t.Errorf("in the extension it is %+v", task)
	}

	breaks := create("breaks")
	if answer := session.ask("tasks/result", fmt.Sprintf(`{"taskId":%q}`, breaks)); !strings.Contains(answer, `"isError":true`) || !strings.Contains(answer, "it broke") {
		t.Errorf("tasks/result was answered with %s", answer)
	}
	for _, answer := range []string{session.ask("tasks/list", `{}`), session.ask("tasks/get", fmt.Sprintf(`{"taskId":%q}`, breaks))} {
		if !strings.Contains(answer, fmt.Sprintf(`"taskId":%q,"status":"failed"`, breaks)) {
			t.Errorf("%s is not told failed: %s", breaks, answer)
		}
	}
}
