package mcpserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// internals matches text that would reveal the server's inside.
var internals = regexp.MustCompile(`json:|Go (value|struct)|goroutine|panic|runtime error|nmarshal|pgx|SQL|sqlite|\.go\b|jsonrpc2|mcp\.[A-Z]|hunter2`)

// An adversary posts arbitrary messages, as a client of either protocol version.
type adversary struct {
	t       *testing.T
	handler http.Handler
	session string // of the 2025-11-25 client
}

// withAndWithoutFastPath runs the attack on an endpoint with the fast path, and on one
// without it.
func withAndWithoutFastPath(t *testing.T, try func(*testing.T, *fakeRunner, *adversary)) {
	t.Helper()
	for name, opts := range map[string]*mcpserver.HandlerOptions{"fast path": nil, "SDK": {PollsThroughSDK: true}} {
		t.Run(name, func(t *testing.T) {
			runner := newFakeRunner()
			try(t, runner, newAdversary(t, runner, opts))
		})
	}
}

func newAdversary(t *testing.T, runner *fakeRunner, opts *mcpserver.HandlerOptions) *adversary {
	t.Helper()
	server := newServer()
	tools := ownedTools()
	fixtureTasks(runner)
	mcpserver.Mount(server, tools, runner, &mcpserver.Options{PlainWait: time.Millisecond})
	a := &adversary{t: t, handler: mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, opts)}
	warmUp(t, a.handler, runner)
	begun := a.post(http.Header{}, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"client","version":"1"}}}`)
	a.session = begun.Header().Get("Mcp-Session-Id")
	t.Cleanup(func() {
		req := httptest.NewRequest(http.MethodDelete, "/", nil)
		req.Header.Set("Mcp-Session-Id", a.session)
		a.handler.ServeHTTP(httptest.NewRecorder(), req)
	})
	return a
}

// post posts a message. It gives up if the answer does not come soon.
func (a *adversary) post(header http.Header, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), goneFor)
	defer cancel()
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).WithContext(ctx)
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	recorder := httptest.NewRecorder()
	a.handler.ServeHTTP(recorder, req)
	if ctx.Err() != nil {
		a.t.Errorf("%.200s hangs", body)
	}
	return recorder
}

// modern returns the header of a 2026-07-28 request.
func modern(method, name string) http.Header {
	return http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method}, "Mcp-Name": {name}}
}

// old returns the header of a request in the 2025-11-25 session.
func (a *adversary) old() http.Header {
	return http.Header{"Mcp-Protocol-Version": {"2025-11-25"}, "Mcp-Session-Id": {a.session}}
}

// rejected posts the message and fails the test unless the answer is an error that reveals
// nothing of the server's inside.
func (a *adversary) rejected(header http.Header, body string) {
	a.t.Helper()
	got := a.post(header, body)
	if got.Code >= 500 || !strings.Contains(got.Body.String(), `"error":{"code":-32`) {
		a.t.Errorf("%.200s is answered with %d %.500s", body, got.Code, got.Body)
	}
	if words := internals.FindString(got.Body.String()); words != "" {
		a.t.Errorf("%.200s is answered with %q: %.500s", body, words, got.Body)
	}
}

// Both versions reject a param of the wrong type, at each place.
func TestHostileParams(t *testing.T) {
	withAndWithoutFastPath(t, func(t *testing.T, runner *fakeRunner, a *adversary) {
		types := map[string]string{
			"number": `7`, "huge": `1e999`, "string": `"s"`, "bool": `true`, "array": `[7]`, "object": `{"s":7}`, "null": `null`,
			"nested arrays":  strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000),
			"nested objects": strings.Repeat(`{"a":`, 20000) + `1` + strings.Repeat(`}`, 20000),
			"NUL":            `"a\u0000b"`, "not UTF-8": "\"\xff\"", "a lone surrogate": `"\ud800"`, "a long one": `"` + strings.Repeat("x", 1<<16) + `"`,
		}
		text := []string{"string", "NUL", "a lone surrogate", "a long one"}
		for _, test := range []struct {
			method, field, rest string
			accepted            []string // types that are valid
			generations         string
		}{
			{"tasks/get", "taskId", "", nil, "both"}, // no text is a task's id
			{"tasks/cancel", "taskId", "", nil, "both"},
			{"tasks/result", "taskId", "", nil, "both"},
			{"tasks/update", "taskId", `,"inputResponses":{}`, nil, "both"},
			{"tasks/update", "inputResponses", `,"taskId":"working"`, []string{"object", "null"}, "modern"},
			{"tasks/get", "_meta", `,"taskId":"working"`, []string{"object", "null"}, "old"},
			{"tasks/get", "_meta", `,"taskId":"working"`, nil, "modern"},
			{"tasks/list", "cursor", "", nil, "old"}, // the list is not offered without an owner
			{"tools/call", "task", `,"name":"add","arguments":{"a":1}`, []string{"object", "null"}, "old"},
			{"tools/call", "name", `,"arguments":{"a":1}`, nil, "both"},
			{"tools/call", "arguments", `,"name":"add"`, []string{"object", "null"}, "both"},
			{"tools/call", "inputResponses", `,"name":"add","arguments":{"a":1}`, []string{"null"}, "both"},
			{"tools/call", "requestState", `,"name":"add","arguments":{"a":1}`, append([]string{"null"}, text...), "both"},
			{"tools/call", "_meta", `,"name":"add","arguments":{"a":1}`, []string{"object", "null"}, "old"},
			{"subscriptions/listen", "notifications", "", []string{"object"}, "modern"},
			{"tasks/get", "params", "", nil, "both"},
			{"tools/call", "params", "", nil, "both"},
			{"subscriptions/listen", "params", "", nil, "modern"},
		} {
			for name, value := range types {
				if strings.Contains(strings.Join(test.accepted, ","), name) {
					continue
				}
				for _, generation := range []string{"modern", "old"} {
					if test.generations != "both" && test.generations != generation {
						continue
					}
					header, meta := a.old(), ""
					if generation == "modern" {
						header = modern(test.method, "add")
						if test.field == "taskId" {
							header["Mcp-Name"] = []string{strings.Trim(value, `"`)}
						}
						if test.field != "_meta" {
							meta = "," + declared
						}
					}
					params := fmt.Sprintf(`{%q:%s%s%s}`, test.field, value, test.rest, meta)
					if test.field == "params" {
						params = value
					}
					a.rejected(header, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, test.method, params))
				}
			}
		}
		if calls := runner.takeCalls(); strings.Contains(strings.Join(calls, " "), "Create") {
			t.Errorf("a task was made: %.200q", calls)
		}
	})
}

// A body that is not a message is rejected with an error of JSON-RPC's own.
func TestHostileBodies(t *testing.T) {
	withAndWithoutFastPath(t, func(t *testing.T, _ *fakeRunner, a *adversary) {
		get := `"method":"tasks/get","params":{"taskId":"working"}`
		for _, body := range []string{
			``, ` `, `{`, `nul`, `null`, `7`, `"s"`, `true`, `[]`, `{}`, `[7]`, `[[]]`, `[null]`, "\x00", "\xff\xfe", `{"a":01}`,
			`{"jsonrpc":"2.0"}`, `{"jsonrpc":"1.0","id":1,` + get + `}`, `{"jsonrpc":2.0,"id":1,` + get + `}`, `{"id":1,` + get + `}`,
			`{"jsonrpc":"2.0","id":{},` + get + `}`, `{"jsonrpc":"2.0","id":[],` + get + `}`, `{"jsonrpc":"2.0","id":true,` + get + `}`,
			`{"jsonrpc":"2.0","id":1,"method":7}`, `{"jsonrpc":"2.0","id":1,"method":null}`, `{"jsonrpc":"2.0","id":1,"method":{},"params":{}}`,
			`{"jsonrpc":"2.0","id":1,"error":7}`, `{"jsonrpc":"2.0","id":1,"error":{"code":"a"}}`, `{"jsonrpc":"2.0","result":{}}`,
			strings.Repeat(`[`, 1<<20), strings.Repeat(`{"a":`, 1<<18), strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000),
			`{"jsonrpc":"2.0","id":1,"method":"ping","x":` + strings.Repeat(`[`, 2000) + strings.Repeat(`]`, 2000) + `}`,
			`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"working","task` + "\xff" + `":1}}`,
		} {
			a.rejected(modern("tasks/get", "working"), body)
			a.rejected(a.old(), body)
		}
		// Neither we nor the SDK read past the first value.
		got := a.post(a.old(), `{"jsonrpc":"2.0","id":1,`+get+`}`+strings.Repeat(`[`, 5000))
		if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `"taskId":"working"`) {
			t.Errorf("with something behind it is answered with %d %s", got.Code, got.Body)
		}
	})
}

// Different readers use different values of a repeated member. A gateway, the check of the
// header and the handler must use the same one, so that a repeated member is rejected.
func TestHostileDuplicates(t *testing.T) {
	withAndWithoutFastPath(t, func(t *testing.T, runner *fakeRunner, a *adversary) {
		for method, params := range map[string][]string{
			"tasks/get":    {`"taskId":"foreign","taskId":"working"`, `"taskId":"working","task\u0049d":"foreign"`, `"taskId":"working","taskId":null`},
			"tasks/cancel": {`"taskId":"working","taskId":"working"`, `"taskId":"working","_meta":{},"_meta":{}`},
			"tools/call": {
				`"name":"add","arguments":{"a":1},"task":{},"task":null`, `"name":"add","arguments":{"a":1},"task":{"ttl":1,"ttl":1000}`,
				`"name":"forbidden","name":"add","arguments":{"a":1}`, `"name":"add","arguments":{"a":1},"arguments":{"a":2}`,
			},
		} {
			for _, params := range params {
				a.rejected(a.old(), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, params))
				a.rejected(modern(method, "working"), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s,%s}}`, method, params, declared))
			}
		}
		get := `"params":{"taskId":"working",` + declared + `}`
		for _, body := range []string{
			`{"jsonrpc":"2.0","id":1,"id":2,"method":"tasks/get",` + get + `}`,
			`{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","method":"tasks/get",` + get + `}`,
			`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"foreign"},` + get + `}`,
			`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["working"],"taskIds":[]},` + declared + `}}`,
		} {
			a.rejected(modern("tasks/get", "working"), body)
		}
		two := modern("tasks/get", "working")
		two.Add("Mcp-Name", "foreign")
		a.rejected(two, `{"jsonrpc":"2.0","id":1,"method":"tasks/get",`+get+`}`)
		wantCalls(t, runner)
	})
}

// No protocol version has both tasks and batches. In a session of a version with tasks the
// SDK accepts a batch if the request does not name its version. Such a batch is rejected,
// since a task that it asks for would not be made.
func TestBatchInASession(t *testing.T) {
	withAndWithoutFastPath(t, func(t *testing.T, runner *fakeRunner, a *adversary) {
		call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1},"task":{}}}`
		for _, batch := range []string{
			`[` + call + `]`, `[{"jsonrpc":"2.0","id":2,"method":"ping"},` + call + `]`,
			`[{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"working"}}]`, `[{"jsonrpc":"2.0","id":1,"method":"tasks/list"}]`,
		} {
			a.rejected(http.Header{"Mcp-Session-Id": {a.session}}, batch)
		}
		wantCalls(t, runner)

		// A version that has batches still has them.
		got := a.post(http.Header{}, `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"forbidden"}}]`)
		if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "forbidden is done") {
			t.Errorf("an old batch is answered with %d %s", got.Code, got.Body)
		}
	})
}

// Requests with unknown ids leave no memory or goroutine behind. Their answers equal, to the
// byte, those for ids of another owner's tasks.
func TestTenThousandUnknownIDs(t *testing.T) {
	withAndWithoutFastPath(t, func(t *testing.T, runner *fakeRunner, a *adversary) {
		const ids = 10_000
		runtime.GC()
		before := runtime.NumGoroutine()

		get := func(header http.Header, id, meta string) string {
			got := a.post(header, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":%q,%s}}`, id, meta))
			return fmt.Sprint(got.Code, got.Body)
		}
		for i := range ids {
			id, header, meta := fmt.Sprint("unknown-", i), a.old, none
			if i%2 == 0 {
				header, meta = func() http.Header { return modern("tasks/get", id) }, declared
			}
			got := get(header(), id, meta)
			foreign := header()
			foreign["Mcp-Name"] = []string{"foreign"}
			if i < 2 && got != get(foreign, "foreign", meta) || !strings.Contains(got, `"message":"task not found"`) {
				t.Fatalf("%s is answered with %s", id, got)
			}
			runner.takeCalls()
		}

		subscribe := func(ids []string) string {
			got := a.post(modern("subscriptions/listen", ""), `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["`+
				strings.Join(ids, `","`)+`"]},`+declared+`}}`)
			return fmt.Sprint(got.Code, got.Body)
		}
		unknown := make([]string, ids)
		for i := range unknown {
			unknown[i] = fmt.Sprint("unknown-", i)
		}
		if got, want := subscribe(unknown), subscribe([]string{"foreign"}); got != want || !strings.Contains(got, `"taskIds":[]`) {
			t.Errorf("unknown tasks are subscribed to with %s, a foreign one with %s", got, want)
		}
		if calls := runner.takeCalls(); len(calls) > 1001 {
			t.Errorf("the runner was called %d times", len(calls))
		}
		for deadline := time.Now().Add(goneFor); runtime.NumGoroutine() > before+5; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("there are %d goroutines, and were %d", runtime.NumGoroutine(), before)
			}
		}
	})
}

// FuzzHandler posts arbitrary bodies, as a client of either version. The answer reveals
// nothing of the server's inside or of another owner's task.
func FuzzHandler(f *testing.F) {
	for _, params := range []string{``, `null`, `7`, `{}`, `{"taskId":"completed"}`, `{"taskId":"foreign"}`, `{"taskId":7}`, `{"taskId":"completed","taskId":"foreign"}`} {
		for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel", "tasks/result", "tasks/list", "tools/call", "subscriptions/listen"} {
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, strings.Replace(params, `}`, `,`+declared+`}`, 1))
			f.Add(true, method, "completed", body)
			f.Add(false, method, "=?base64?Y29tcGxldGVk?=", strings.Replace(body, ","+declared, "", 1))
		}
	}
	f.Add(false, "", "", `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1},"task":{"ttl":1}}}] x`)
	fast, sdk := fuzzed(f, nil), fuzzed(f, &mcpserver.HandlerOptions{PollsThroughSDK: true})
	f.Fuzz(func(t *testing.T, version bool, method, name, body string) {
		header := modern(method, name)
		if !version {
			header = http.Header{"Mcp-Protocol-Version": {"2025-11-25"}}
		}
		got, want := fast(header, body), sdk(header, body)
		if answered(got) != answered(want) && version && strings.Contains(body, "tasks/get") {
			t.Errorf("%q is answered with\n%s\nand by the SDK with\n%s", body, answered(got), answered(want))
		}
		answer := got.Body.Bytes()
		if got.Code >= 500 || strings.Contains(string(answer), "hunter2") && !strings.Contains(body+name, "hunter2") {
			t.Errorf("%q is answered with %d %s", body, got.Code, answer)
		}
		ours := strings.HasPrefix(method, "tasks/") && strings.Contains(body, method)
		if words := internals.Find(answer); ours && words != nil && !strings.Contains(body+name, string(words)) {
			t.Errorf("%q is answered with %q: %s", body, words, answer)
		}
	})
}

// fuzzed returns a function that posts to a new endpoint.
func fuzzed(f *testing.F, opts *mcpserver.HandlerOptions) func(http.Header, string) *httptest.ResponseRecorder {
	runner := newFakeRunner()
	for _, id := range []string{"completed", "failed"} {
		runner.add(mcptasks.Task{ID: id, Status: mcptasks.StatusFailed, Outcome: failure.Outcome("it failed")})
	}
	runner.add(mcptasks.Task{ID: "foreign", Owner: "somebody else", StatusMessage: "hunter2", Status: mcptasks.StatusFailed, Outcome: failure.Outcome("hunter2")})
	server := newServer()
	mcpserver.Mount(server, ownedTools(), runner, &mcpserver.Options{PlainWait: time.Millisecond})
	handler := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, opts)
	warmUp(f, handler, runner)
	return func(header http.Header, body string) *httptest.ResponseRecorder {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the answer to a subscription ends only with its context
		defer cancel()
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(body))
		req.Header = header.Clone()
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		runner.takeCalls()
		return recorder
	}
}
