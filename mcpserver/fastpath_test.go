package mcpserver_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver"
)

// sdkLog is a server's log handler. It counts the requests that the SDK answers: the SDK logs
// each request that belongs to no session.
type sdkLog struct {
	slog.Handler
	connects atomic.Int64
}

func (l *sdkLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *sdkLog) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "server connecting" {
		l.connects.Add(1)
	}
	return nil
}

// requests returns the number of requests since the last call of requests.
func (l *sdkLog) requests() int64 { return l.connects.Swap(0) }

func newLoggedServer() (*mcp.Server, *sdkLog) {
	log := &sdkLog{}
	return mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{Logger: slog.New(log)}), log
}

// A fastEndpoint is an endpoint that the test calls without a network.
type fastEndpoint struct {
	t       testing.TB
	runner  *fakeRunner
	server  *mcp.Server
	handler http.Handler
	sdk     *sdkLog
}

// newFastEndpoint returns an endpoint with the tasks of the transcripts.
func newFastEndpoint(t testing.TB, opts *mcpserver.Options, handlerOpts *mcpserver.HandlerOptions, middleware ...mcp.Middleware) *fastEndpoint {
	runner := newFakeRunner()
	fixtureTasks(runner)
	server, sdk := newLoggedServer()
	server.AddReceivingMiddleware(middleware...)
	mcpserver.Mount(server, ownedTools(), runner, opts)
	return &fastEndpoint{t, runner, server, mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, handlerOpts), sdk}
}

func (l *fastEndpoint) warmUp() *fastEndpoint {
	l.t.Helper()
	warmUp(l.t, l.handler, l.runner)
	l.sdk.requests()
	return l
}

// warmUp has the SDK answer one poll of each client, which opens the fast path for them.
func warmUp(t testing.TB, handler http.Handler, runner *fakeRunner) {
	t.Helper()
	for _, r := range []request{{name: "working"}, {name: "completed"}, {name: "alices", token: "user:alice"}, {name: "working", meta: undeclared}} {
		r.method = "tasks/get"
		handler.ServeHTTP(httptest.NewRecorder(), r.http(t.Context(), "http://localhost/"))
	}
	runner.takeCalls()
}

func (l *fastEndpoint) post(req *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	l.handler.ServeHTTP(recorder, req)
	return recorder
}

func poll(id, meta string) *http.Request {
	return request{method: "tasks/get", name: id, meta: meta}.http(context.Background(), "http://localhost/")
}

// answered returns the part of an answer that a client sees.
func answered(r *httptest.ResponseRecorder) string {
	return fmt.Sprintf("%d %v\n%s", r.Code, r.Header(), r.Body)
}

// twoEndpoints have the same tasks. One of them leaves polls to the SDK.
type twoEndpoints struct{ ours, sdks *fastEndpoint }

func newTwoEndpoints(t testing.TB, options mcp.StreamableHTTPOptions) *twoEndpoints {
	return &twoEndpoints{
		newFastEndpoint(t, nil, &mcpserver.HandlerOptions{StreamableHTTP: options}).warmUp(),
		newFastEndpoint(t, nil, &mcpserver.HandlerOptions{StreamableHTTP: options, PollsThroughSDK: true}).warmUp(),
	}
}

// same sends the request of newRequest to both, and fails the test if their answers differ.
// It reports whether the fast path answered.
func (l *twoEndpoints) same(t testing.TB, what string, make func() *http.Request) bool {
	t.Helper()
	got, want := answered(l.ours.post(make())), answered(l.sdks.post(make()))
	if got != want {
		t.Errorf("%s is answered with\n%s\nand by the SDK with\n%s", what, got, want)
	}
	if got, want := l.ours.runner.takeCalls(), l.sdks.runner.takeCalls(); !slices.Equal(got, want) {
		t.Errorf("%s: the runner was called with\n%q, and by the SDK with\n%q", what, got, want)
	}
	return l.ours.sdk.requests() < l.sdks.sdk.requests()
}

// An unusual request gets the SDK's answer, from the fast path or from the SDK.
func TestFastPathAnswersAsTheSDK(t *testing.T) {
	t.Parallel()
	protection := http.NewCrossOriginProtection()
	for _, options := range []mcp.StreamableHTTPOptions{
		{}, {JSONResponse: true}, {DisableLocalhostProtection: true}, {CrossOriginProtection: protection}, //nolint:staticcheck // programs may have it
	} {
		l := newTwoEndpoints(t, options)
		protected := !options.DisableLocalhostProtection
		for _, test := range []struct {
			name  string
			fast  bool // the fast path answers
			alter func(*http.Request)
		}{
			{"an ordinary one", true, func(*http.Request) {}},
			{"the other order", true, func(r *http.Request) { r.Header.Set("Accept", "text/event-stream,application/json") }},
			{"two lines", true, func(r *http.Request) {
				r.Header["Accept"] = []string{"text/event-stream", "application/json, */*"}
			}},
			{"anything", false, func(r *http.Request) { r.Header.Set("Accept", "*/*") }},
			{"JSON only", false, func(r *http.Request) { r.Header.Set("Accept", "application/json") }},
			{"no Accept", false, func(r *http.Request) { r.Header.Del("Accept") }},
			{"a charset", true, func(r *http.Request) { r.Header.Set("Content-Type", "Application/JSON; charset=utf-8") }},
			{"a broken parameter", false, func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset") }},
			{"text", false, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
			{"no type", false, func(r *http.Request) { r.Header.Del("Content-Type") }},
			{"two types", false, func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }},
			{"a session", false, func(r *http.Request) { r.Header.Set("Mcp-Session-Id", "x") }},
			{"a resumption", false, func(r *http.Request) { r.Header.Set("Last-Event-ID", "x_0") }},
			{"no method", false, func(r *http.Request) { r.Header.Del("Mcp-Method") }},
			{"another method", false, func(r *http.Request) { r.Header.Set("Mcp-Method", "tasks/cancel") }},
			{"two methods", false, func(r *http.Request) { r.Header.Add("Mcp-Method", "tasks/cancel") }},
			{"another version", false, func(r *http.Request) { r.Header.Set("Mcp-Protocol-Version", "2025-11-25") }},
			{"a later version", false, func(r *http.Request) { r.Header.Set("Mcp-Protocol-Version", "2099-01-01") }},
			{"two versions", false, func(r *http.Request) { r.Header.Add("Mcp-Protocol-Version", "2025-11-25") }},
			{"no version", false, func(r *http.Request) { r.Header.Del("Mcp-Protocol-Version") }},
			{"no name", false, func(r *http.Request) { r.Header.Del("Mcp-Name") }},
			{"another name", false, func(r *http.Request) { r.Header.Set("Mcp-Name", "completed") }},
			{"two names", false, func(r *http.Request) { r.Header.Add("Mcp-Name", "completed") }},
			{"a name in base64", true, func(r *http.Request) { r.Header.Set("Mcp-Name", "=?base64?d29ya2luZw==?=") }},
			{"headers of others", true, func(r *http.Request) { r.Header.Set("Mcp-Param-Topic", "x") }},
			{"a rebound host", !protected, func(r *http.Request) { *r = *local(r, "attacker.example") }},
			{"a local host", true, func(r *http.Request) { *r = *local(r, "localhost:8080") }},
			{"an address", true, func(r *http.Request) { *r = *local(r, "[::1]:8080") }},
			{"another origin", options.CrossOriginProtection == nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }}, //nolint:staticcheck // see above
			{"one's own origin", true, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }},
			{"GET", false, func(r *http.Request) { r.Method = http.MethodGet }},
		} {
			for _, meta := range []string{declared, undeclared} {
				if taken := l.same(t, test.name, func() *http.Request {
					req := poll("working", meta)
					test.alter(req)
					return req
				}); taken != test.fast {
					t.Errorf("%s: the fast path answered: %t", test.name, taken)
				}
			}
		}
	}
}

// local returns the request as if it had arrived over a loopback connection.
func local(req *http.Request, host string) *http.Request {
	req = req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}))
	req.Host = host
	return req
}

// An unusual body gets the SDK's answer, from the fast path or from the SDK.
func TestFastPathAnswersBodiesAsTheSDK(t *testing.T) {
	t.Parallel()
	l := newTwoEndpoints(t, mcp.StreamableHTTPOptions{})
	inMeta := func(members string) string { return strings.TrimSuffix(declared, "}") + "," + members + "}" }
	params := func(members string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{` + members + `}}`
	}
	get := params(`"taskId":"completed",` + declared)
	for body, taken := range map[string]bool{
		get: true,
		" {\n\"params\" : { " + declared + ` , "taskId" : "completed" } , "method":"tasks/get","id" : 7,"jsonrpc":"2.0" } `: true,
		strings.Replace(get, `"id":1`, `"id":0`, 1):                    true,
		strings.Replace(get, `"id":1`, `"id":"a<b>&c"`, 1):             true,
		strings.Replace(get, `"id":1`, `"id":""`, 1):                   true,
		strings.Replace(get, `"id":1`, `"id":"é`+"\u2028"+`"`, 1):      false,
		strings.Replace(get, `"id":1`, `"id":"a\"b\u003c"`, 1):         false,
		strings.Replace(get, `"id":1`, `"id":1.5`, 1):                  false,
		strings.Replace(get, `"id":1`, `"id":-1`, 1):                   false,
		strings.Replace(get, `"id":1`, `"id":1e3`, 1):                  false,
		strings.Replace(get, `"id":1`, `"id":12345678901234567890`, 1): false,
		strings.Replace(get, `"id":1`, `"id":999999999999999`, 1):      true,
		strings.Replace(get, `"id":1,`, ``, 1):                         false,
		strings.Replace(get, `"id":1`, `"id":null`, 1):                 false,
		strings.Replace(get, `"2.0"`, `"1.0"`, 1):                      false,
		strings.Replace(get, `{"jsonrpc"`, `{"x":1,"jsonrpc"`, 1):      false,
		"[" + get + "]":                        false,
		get + " x":                             false,
		get + "\n":                             true,
		params(declared):                       false,
		params(`"taskId":"completed"`):         false,
		params(`"taskId":"completed",` + none): false,
		params(`"taskId":"completed","TASKID":"working",` + declared):                                                                        false,
		params(`"taskId":"completed","x":1e999,` + declared):                                                                                 false,
		params(`"taskId":"compl\u0065ted",` + declared):                                                                                      false,
		params(`"taskId":"completed","taskId":"completed",` + declared):                                                                      false,
		params(`"taskId":"completed",` + inMeta(`"progressToken":7`)):                                                                        true,
		params(`"taskId":"completed",` + inMeta(`"x":{"y":[1,true,"ü"]}`)):                                                                   true,
		params(`"taskId":"completed",` + inMeta(`"io.modelcontextprotocol/logLevel":7`)):                                                     true,
		params(`"taskId":"completed",` + inMeta(`"x":1e999`)):                                                                                false,
		params(`"taskId":"completed",` + inMeta(`"x":1,"x":2`)):                                                                              false,
		params(`"taskId":"completed",` + inMeta(`"x":`+strings.Repeat("[", 70)+strings.Repeat("]", 70))):                                     false,
		params(`"taskId":"completed",` + strings.Replace(declared, `"2026-07-28"`, `"2099-01-01"`, 1)):                                       false,
		params(`"taskId":"completed",` + strings.Replace(declared, `{"name":"client","version":"1"}`, `7`, 1)):                               false,
		params(`"taskId":"completed",` + strings.Replace(declared, `{"name":"client","version":"1"}`, `null`, 1)):                            false,
		params(`"taskId":"completed",` + strings.Replace(declared, `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`, `null`, 1)):        false,
		params(`"taskId":"completed",` + strings.Replace(declared, `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`, `{"roots":7}`, 1)): false,
	} {
		for range 2 { // a rejected client must not become trusted
			if got := l.same(t, body, func() *http.Request {
				req := poll("completed", declared)
				req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), -1
				return req
			}); got != taken {
				t.Errorf("%s: the fast path answered: %t", body, got)
			}
		}
	}
}

// The SDK answers the first poll of a client.
func TestFastPathOpensForEachClient(t *testing.T) {
	t.Parallel()
	l := newFastEndpoint(t, nil, nil)
	another := strings.Replace(declared, `"client"`, `"another"`, 1)
	unnamed := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	for _, test := range []struct {
		name, id, meta string
		throughSDK     int64
	}{
		{"the first is not answered with a task", "foreign", declared, 1},
		{"nor the second", "foreign", declared, 1},
		{"the SDK has named the server", "working", declared, 1},
		{"now it is known", "working", declared, 0},
		{"and so it is for another task", "completed", declared, 0},
		{"another client", "working", another, 1},
		{"the same", "failed", another, 0},
		{"one that does not declare", "working", undeclared, 1},
		{"the same", "working", undeclared, 0},
		{"one that does not say its name", "working", unnamed, 1},
		{"the same", "working", unnamed, 0},
		{"the first again", "cancelled", declared, 0},
	} {
		if r := l.post(poll(test.id, test.meta)); l.sdk.requests() != test.throughSDK {
			t.Errorf("%s: the SDK was asked, or was not: %s", test.name, answered(r))
		}
	}

	// The number of trusted clients is limited.
	for i := range 300 {
		l.post(poll("working", strings.Replace(declared, `"client"`, fmt.Sprintf(`"client %d"`, i), 1)))
	}
	l.sdk.requests()
	l.post(poll("working", another))
	long := strings.Replace(declared, `"client"`, `"`+strings.Repeat("x", 1<<13)+`"`, 1)
	for range 2 {
		l.post(poll("working", long))
	}
	if asked := l.sdk.requests(); asked != 3 {
		t.Errorf("the SDK was asked %d times for a client that was forgotten, and one that says much", asked)
	}
}
