package mcpserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// A wired client is connected to a server by a transport of NewTransport.
type wired struct {
	t      *testing.T
	runner *fakeRunner
	conn   mcp.Connection
	stop   context.CancelFunc // ends the server's Run
	ended  chan error         // the error of Run
}

func wire(t *testing.T, opts *mcpserver.Options) *wired {
	t.Helper()
	runner, tools := newFakeRunner(), ownedTools()
	fixtureTasks(runner)
	server := newServer()
	mcpserver.Mount(server, tools, runner, opts)
	ours, theirs := mcp.NewInMemoryTransports()
	ctx, stop := context.WithCancel(t.Context())
	w := &wired{t: t, runner: runner, stop: stop, ended: make(chan error, 1)}
	go func() { w.ended <- server.Run(ctx, mcpserver.NewTransport(ours)) }()
	conn, err := theirs.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.conn = conn
	return w
}

// end closes the client's side and waits for the server.
func (w *wired) end() {
	_ = w.conn.Close()
	if err := <-w.ended; err != nil {
		w.t.Logf("the server ended with %v", err)
	}
	w.stop()
}

func (w *wired) write(message string) {
	w.t.Helper()
	decoded, err := jsonrpc.DecodeMessage([]byte(message))
	if err == nil {
		err = w.conn.Write(w.t.Context(), decoded)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *wired) read() string {
	w.t.Helper()
	message, err := w.conn.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := jsonrpc.EncodeMessage(message)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func (w *wired) exchange(message, want string) {
	w.t.Helper()
	w.write(message)
	if got := w.read(); got != want {
		w.t.Errorf("%s was answered with\n%s, want\n%s", message, got, want)
	}
}

func (w *wired) begin() string {
	w.write(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"client","version":"1"}}}`)
	answer := w.read()
	w.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return answer
}

const workingTask = `"taskId":"%s","status":"%s","createdAt":"2026-07-28T12:00:00Z","lastUpdatedAt":"2026-07-28T12:00:0%sZ","ttl":86400000,"pollInterval":1000`

// A connection serves the tasks of 2025-11-25.
func TestTransport(t *testing.T) {
	w := wire(t, &mcpserver.Options{Owner: func(context.Context, mcp.Request) (mcptasks.Owner, error) { return "", nil }})
	defer w.end()
	if got := w.begin(); !json.Valid([]byte(got)) {
		t.Fatal(got)
	} else {
		var answer struct {
			Result struct {
				Capabilities struct{ Tasks any }
			}
		}
		_ = json.Unmarshal([]byte(got), &answer)
		if tasks, _ := json.Marshal(answer.Result.Capabilities.Tasks); string(tasks) != `{"cancel":{},"requests":{"tools":{"call":{}}}}` {
			t.Errorf("the capability is %s", tasks)
		}
	}
	w.exchange(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1},"task":{"ttl":1000}}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"created-1","status":"working","createdAt":"2026-07-28T12:00:00Z","lastUpdatedAt":"2026-07-28T12:00:00Z","ttl":1000,"pollInterval":1000}}}`)
	<-w.runner.watching // the session follows the task
	w.exchange(`{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"working"}}`,
		`{"jsonrpc":"2.0","id":2,"result":{`+fmt.Sprintf(workingTask, "working", "working", "1.5")+`}}`)
	w.runner.do(t, []string{"ask", "working", "color"})
	for _, want := range []string{
		`{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{` + fmt.Sprintf(workingTask, "working", "input_required", "2.5") + `}}`,
		`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"working"}},"mode":"form","message":"color?",` +
			`"requestedSchema":{"properties":{"color":{"type":"string"}},"required":["color"],"type":"object"}}}`,
	} {
		if got := w.read(); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
	w.write(`{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}`)
	w.read()
	w.runner.do(t, []string{"complete", "working"})
	w.read()
	w.exchange(`{"jsonrpc":"2.0","id":3,"method":"tasks/result","params":{"taskId":"working"}}`,
		`{"jsonrpc":"2.0","id":3,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"working"}},"content":[{"type":"text","text":"done"}]}}`)
}

// A connection rejects the same messages as HTTP.
func TestTransportRejects(t *testing.T) {
	w := wire(t, nil)
	defer w.end()
	w.begin()
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel", "tasks/result"} {
		for _, params := range []string{"", `,"params":null`} {
			w.exchange(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q%s}`, method, params),
				`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"\"params\" is missing or not an object"}}`)
		}
	}
	w.exchange(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":7}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"\"taskId\" is missing or not a string"}}`)
	for params, want := range map[string]string{
		`{"taskId":"foreign","taskId":"working"}`:         `\"params\" has a member twice`,
		`{"taskId":"working","_meta":{"a":1,"a":2}}`:      `\"_meta\" has a member twice`,
		`{"taskId":"` + strings.Repeat("x", 1<<20) + `"}`: `task not found`,
		`{"taskId":"a\u0000b"}`:                           `task not found`,
	} {
		w.exchange(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":`+params+`}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"`+want+`"}}`)
	}
	w.exchange(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":[]}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"\"arguments\" is not an object that can be read"}}`)
	w.exchange(`{"jsonrpc":"2.0","id":1,"method":"tasks/list"}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found: \"tasks/list\""}}`)
}

// A connection serves subscriptions of 2026-07-28, and the client can end them.
func TestTransportSubscription(t *testing.T) {
	w := wire(t, nil)
	defer w.end()
	w.write(`{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{"notifications":{"taskIds":["working","nothing"]},` + declared + `}}`)
	for _, want := range []string{
		`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"},"notifications":{"taskIds":["working"]}}}`,
		`{"jsonrpc":"2.0","method":"notifications/tasks","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"},"taskId":"working","status":"working",` +
			`"createdAt":"2026-07-28T12:00:00Z","lastUpdatedAt":"2026-07-28T12:00:01.5Z","ttlMs":86400000,"pollIntervalMs":1000}}`,
	} {
		if got := w.read(); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
	w.write(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"sub"}}`)
	if id := <-w.runner.left; id != "working" {
		t.Errorf("the watch of %s ended", id)
	}
	w.read()
}

// Thousands of requests may wait on one connection. The server can still end.
func TestThousandsOfWaitingRequests(t *testing.T) {
	const waiters = 2000
	w := wire(t, nil)
	w.begin()
	for id := range waiters {
		w.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tasks/result","params":{"taskId":"working"}}`, id+1))
	}
	w.exchange(`{"jsonrpc":"2.0","id":"after","method":"tasks/get","params":{"taskId":"empty"}}`,
		`{"jsonrpc":"2.0","id":"after","result":{`+fmt.Sprintf(workingTask, "empty", "completed", "1.5")+`}}`)
	go func() {
		for {
			if _, err := w.conn.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	w.stop()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the server ended with %v", err)
	}
	for range waiters {
		<-w.runner.left
	}
	_ = w.conn.Close()
}
