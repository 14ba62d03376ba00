package mcpserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// The program's middleware sees each poll if it was added before Mount, or if PollsThroughSDK
// is set.
func TestFastPathAndMiddleware(t *testing.T) {
	t.Parallel()
	for name, middleware := range map[string]int{"before Mount": 1, "after Mount": 2} {
		var seen atomic.Int64
		count := func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				seen.Add(1)
				return next(ctx, method, req)
			}
		}
		var l *fastEndpoint
		if middleware == 1 {
			l = newFastEndpoint(t, nil, nil, count)
		} else {
			l = newFastEndpoint(t, nil, &mcpserver.HandlerOptions{PollsThroughSDK: true})
			l.server.AddReceivingMiddleware(count)
		}
		l.warmUp()
		seen.Store(0)
		for range 3 {
			l.post(poll("working", declared))
		}
		if seen.Load() != 3 {
			t.Errorf("%s: it saw %d polls of 3", name, seen.Load())
		}
	}
}

// The fast path finds the owner of each poll, also behind other handlers.
func TestFastPathOwners(t *testing.T) {
	t.Parallel()
	l := newFastEndpoint(t, nil, nil)
	l.handler = owned(l.handler)
	l.warmUp()
	for _, test := range []struct{ token, id, want string }{
		{"user:alice", "alices", `"taskId":"alices"`},
		{"user:bob", "bobs", `"taskId":"bobs"`},
		{"user:bob", "alices", "task not found"},
		{"user:alice", "working", "task not found"},
		{"", "alices", "task not found"},
		{"", "working", `"taskId":"working"`},
		{"user:nobody", "working", "the request's owner could not be determined"},
		{"stolen", "working", "invalid token"},
	} {
		r := l.post(request{method: "tasks/get", name: test.id, token: test.token}.http(t.Context(), "http://localhost/"))
		if !strings.Contains(r.Body.String(), test.want) {
			t.Errorf("%q asked for %s and got %s, want %s", test.token, test.id, answered(r), test.want)
		}
		if calls := l.runner.takeCalls(); (test.token == "user:nobody" || test.token == "stolen") && len(calls) > 0 {
			t.Errorf("%q: the runner was called with %q", test.token, calls)
		}
	}
	if asked := l.sdk.requests(); asked != 0 {
		t.Errorf("the SDK was asked %d times", asked)
	}
}

// owned verifies the tokens of requests that have one.
func owned(handler http.Handler) http.Handler {
	verified := auth.RequireBearerToken(verify, nil)(handler)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			verified.ServeHTTP(w, req)
		} else {
			handler.ServeHTTP(w, req)
		}
	})
}

// Options.Owner gets the same request as from the SDK, with a session whose methods can be
// called.
func TestFastPathOwnerOption(t *testing.T) {
	t.Parallel()
	sessions := make(map[mcp.Session]int)
	var said, logged string
	log := new(logBuffer)
	l := newFastEndpoint(t, &mcpserver.Options{
		Logger: log.logger(),
		Owner: func(_ context.Context, req mcp.Request) (mcptasks.Owner, error) {
			extra := req.GetExtra()
			extra.CloseSSEStream(mcp.CloseSSEStreamArgs{})
			sessions[req.GetSession()]++
			if extra.Header.Get("X-Owner") == "curious" {
				useSession(req.GetSession().(*mcp.ServerSession))
			}
			versioned := req.(interface {
				ProtocolVersion() string
				ClientInfo() *mcp.Implementation
				ClientCapabilities() *mcp.ClientCapabilities
			})
			said = fmt.Sprintf("%T %T %v %s %s %s %t %q %t", req, req.GetParams(), req.GetParams().GetMeta(), versioned.ProtocolVersion(),
				versioned.ClientInfo().Name, extra.Header.Get("X-Owner"), versioned.ClientCapabilities() != nil, req.GetSession().ID(), extra.TokenInfo != nil)
			owner := extra.Header.Get("X-Owner")
			extra.Header.Set("X-Owner", "somebody else")
			switch owner {
			case "nobody":
				return "anybody", errSecret
			case "panic":
				panic("the owner's")
			}
			return mcptasks.Owner(owner), nil
		},
	}, nil)
	as := func(owner string) *http.Request {
		return request{method: "tasks/get", name: "alices", owner: owner}.http(t.Context(), "http://localhost/")
	}
	l.post(as("alice"))
	throughSDK := said
	if l.sdk.requests() != 1 {
		t.Fatal("the first was not the SDK's")
	}
	l.runner.takeCalls()
	req := as("alice")
	r := l.post(req)
	if !strings.Contains(r.Body.String(), `"taskId":"alices"`) || said != throughSDK || req.Header.Get("X-Owner") != "alice" {
		t.Errorf("alice got %s\nOwner got\n%s, and from the SDK\n%s", answered(r), said, throughSDK)
	}
	wantCalls(t, l.runner, `Get "alice" alices`)

	r = l.post(as("nobody"))
	if logged = log.String(); !strings.Contains(r.Body.String(), `"message":"the request's owner could not be determined"`) || !strings.Contains(logged, "hunter2") {
		t.Errorf("nobody got %s; log %s", answered(r), logged)
	}
	wantCalls(t, l.runner)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Owner's panic was lost")
			}
		}()
		l.post(as("panic"))
	}()
	wantCalls(t, l.runner)
	if r := l.post(as("curious")); !strings.Contains(r.Body.String(), "task not found") {
		t.Errorf("the curious got %s", answered(r))
	}
	if asked := l.sdk.requests(); len(sessions) != 5 || asked != 0 {
		t.Errorf("there were %d sessions for 5 requests, and %d requests went through the SDK", len(sessions), asked)
	}
}

// useSession calls the methods of a session. Those of a session without a client return an
// error or nothing. They neither panic nor block.
func useSession(session *mcp.ServerSession) {
	ctx := context.Background()
	_, _ = session.ID(), session.InitializeParams()
	_ = session.Ping(ctx, nil)
	_, _ = session.ListRoots(ctx, nil)                                                                             //nolint:staticcheck // 2025-11-25 has it
	_, _ = session.CreateMessage(ctx, &mcp.CreateMessageParams{})                                                  //nolint:staticcheck // 2025-11-25 has it
	_, _ = session.CreateMessageWithTools(ctx, &mcp.CreateMessageWithToolsParams{})                                //nolint:staticcheck // 2025-11-25 has it
	_, _ = session.Elicit(ctx, &mcp.ElicitParams{Message: "?", RequestedSchema: map[string]any{"type": "object"}}) // needs a capability
	_ = session.Log(ctx, &mcp.LoggingMessageParams{Level: "error", Data: "x"})
	_ = session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: 1})
	_ = session.NotifyElicitationComplete(ctx, &mcp.ElicitationCompleteParams{ElicitationID: "1"})
	_ = session.Close()
	_ = session.Wait()
}

// The fast path answers a Runner's error as the SDK does.
func TestFastPathErrors(t *testing.T) {
	t.Parallel()
	for _, options := range []mcp.StreamableHTTPOptions{{}, {JSONResponse: true}} {
		l := newTwoEndpoints(t, options)
		for _, err := range []error{
			errSecret, context.Canceled, mcptasks.ErrNotFound, mcptasks.ErrLimit,
			&mcptasks.Error{Op: "get", Err: fmt.Errorf("%w: <\u2028\x00\"", mcptasks.ErrInvalid), Hint: "hunter2"},
			&jsonrpc.Error{Code: -32001, Message: "hunter2"},
		} {
			l.ours.runner.fail, l.sdks.runner.fail = err, err
			if !l.same(t, err.Error(), func() *http.Request { return poll("working", declared) }) {
				t.Errorf("%v: the fast path did not answer", err)
			}
			if r := l.ours.post(poll("working", declared)); strings.Contains(r.Body.String(), "hunter2") {
				t.Errorf("%v is answered with %s", err, r.Body)
			}
			l.ours.runner.takeCalls()
			l.ours.sdk.requests()
		}
	}
}

// getServer is called once for each poll, and may return nil.
func TestFastPathCallsGetServer(t *testing.T) {
	t.Parallel()
	l := newFastEndpoint(t, nil, nil).warmUp()
	bare, _ := newLoggedServer()
	asked := 0
	for name, test := range map[string]struct {
		server *mcp.Server
		want   int
	}{
		"a server with tasks": {l.server, http.StatusOK}, "none": {nil, http.StatusBadRequest}, "one without tasks": {bare, http.StatusNotFound},
	} {
		handler := mcpserver.NewHandler(func(req *http.Request) *mcp.Server {
			if asked++; req.Header.Get("Mcp-Name") != "working" {
				t.Errorf("%s: it is asked for %v", name, req.Header)
			}
			return test.server
		}, nil)
		for range 2 {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, poll("working", declared))
			if recorder.Code != test.want {
				t.Errorf("%s: answered %s", name, answered(recorder))
			}
			if test.server != nil && asked != 1 {
				t.Errorf("%s: it was asked for %d times", name, asked)
			}
			asked = 0
		}
	}
}

// A server that does not support the protocol version has no fast path.
func TestFastPathHeedsServerVersions(t *testing.T) {
	t.Parallel()
	runner := newFakeRunner()
	fixtureTasks(runner)
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{SupportedProtocolVersions: []string{"2025-11-25"}})
	mcpserver.Mount(server, ownedTools(), runner, nil)
	for range 3 {
		recorder := httptest.NewRecorder()
		endpoint(server).ServeHTTP(recorder, poll("working", declared))
		if recorder.Code != http.StatusBadRequest || !strings.Contains(recorder.Body.String(), "unsupported protocol version") {
			t.Errorf("answered %s", answered(recorder))
		}
	}
	wantCalls(t, runner)
}
