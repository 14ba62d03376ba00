package mcpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// verify accepts the tokens user:NAME. The token user:nobody has no user id.
func verify(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
	name, ok := strings.CutPrefix(token, "user:")
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{UserID: strings.TrimSuffix(name, "nobody"), Expiration: time.Now().Add(time.Hour)}, nil
}

// ownedTools returns a tool for each TaskSupport.
func ownedTools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "add"}, add, nil)
	textTool(tools, "required", mcptasks.TaskRequired)
	textTool(tools, "forbidden", mcptasks.TaskForbidden)
	return tools
}

var ownedRequests = map[string]request{
	"Create": {method: "tools/call", name: "required"},
	"Get":    {method: "tasks/get", name: "task"},
	"Answer": {method: "tasks/update", name: "task"},
	"Cancel": {method: "tasks/cancel", name: "task"},
	"Watch":  {method: "tools/call", name: "add", arguments: `{"a":1}`, meta: undeclared},
}

func TestOwnerIsTheTokensUser(t *testing.T) {
	runner, log := newFakeRunner(), new(logBuffer)
	tools := ownedTools()
	runner.work = worker(t, tools)
	mcpServer := newServer()
	mcpserver.Mount(mcpServer, tools, runner, &mcpserver.Options{Logger: log.logger()})
	server := serve(t, auth.RequireBearerToken(verify, nil)(endpoint(mcpServer)))

	for name, r := range ownedRequests {
		r.token = "user:alice"
		post(t, server, r)
		calls := runner.takeCalls()
		if len(calls) == 0 {
			t.Errorf("%s: the runner was not called", name)
		}
		for _, call := range calls {
			if !strings.Contains(call, ` "alice" `) {
				t.Errorf("%s: the runner was called with %s, want alice's", name, call)
			}
		}
	}

	// Alice's tasks are not Bob's.
	runner.add(mcptasks.Task{ID: "alices", Owner: "alice", Status: mcptasks.StatusWorking})
	if a := post(t, server, request{method: "tasks/get", name: "alices", token: "user:alice"}); a.Error != nil {
		t.Errorf("alice got %s", a.message)
	}
	post(t, server, request{method: "tasks/get", name: "alices", token: "user:bob"}).
		rejected(t, jsonrpc.CodeInvalidParams, "task not found")
	runner.takeCalls()

	// A verified token without a user must not make its bearer anonymous.
	for name, r := range ownedRequests {
		r.token = "user:nobody"
		a := post(t, server, r)
		a.rejected(t, jsonrpc.CodeInternalError, "the request's owner could not be determined")
		if calls := runner.takeCalls(); len(calls) > 0 {
			t.Errorf("%s: the runner was called with %q for no owner", name, calls)
		}
	}
	if !strings.Contains(log.String(), "the verified token names no user; set Options.Owner") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestOwnerWithoutAuthentication(t *testing.T) {
	runner := newFakeRunner()
	server := mounted(t, ownedTools(), runner, nil)
	post(t, server, ownedRequests["Create"])
	wantCalls(t, runner, `Create "" required {}`)
}

func TestOwnerOption(t *testing.T) {
	for _, meta := range []string{declared, undeclared, legacy} {
		runner, log := newFakeRunner(), new(logBuffer)
		tools := ownedTools()
		runner.work = worker(t, tools)
		server := mounted(t, tools, runner, &mcpserver.Options{
			Logger: log.logger(),
			Owner: func(_ context.Context, req mcp.Request) (mcptasks.Owner, error) {
				owner := req.GetExtra().Header.Get("X-Owner")
				if owner == "" {
					return "anybody", errSecret
				}
				return mcptasks.Owner(owner), nil
			},
		})

		post(t, server, request{method: "tools/call", name: "add", arguments: `{"a":1}`, owner: "carol", meta: meta})
		for _, call := range runner.takeCalls() {
			if !strings.Contains(call, ` "carol" `) {
				t.Errorf("the runner was called with %s, want carol's", call)
			}
		}

		a := post(t, server, request{method: "tools/call", name: "add", arguments: `{"a":1}`, meta: meta})
		a.rejected(t, jsonrpc.CodeInternalError, "the request's owner could not be determined")
		wantCalls(t, runner)
		if strings.Contains(a.message, "hunter2") || !strings.Contains(log.String(), "hunter2") {
			t.Errorf("the cause is for the log alone; answer %s, log %s", a.message, log)
		}

		// Requests that concern no task need no owner.
		for _, r := range []request{{method: "tools/call", name: "forbidden", meta: meta}, {method: "tools/call", name: "nothing", meta: meta}} {
			if a := post(t, server, r); strings.Contains(a.message, "owner") {
				t.Errorf("%s was answered with %s", r.name, a.message)
			}
		}
	}
}

// Owner is not called for a client that is rejected because it does not declare the
// extension.
func TestOwnerComesAfterTheCapability(t *testing.T) {
	server := mounted(t, ownedTools(), newFakeRunner(), &mcpserver.Options{
		Owner: func(context.Context, mcp.Request) (mcptasks.Owner, error) {
			t.Error("Owner was called")
			return "", errors.New("nobody")
		},
	})
	for _, name := range []string{"Create", "Get", "Answer", "Cancel"} {
		r := ownedRequests[name]
		r.meta = undeclared
		if a := post(t, server, r); a.Error == nil || a.Error.Code != mcp.CodeMissingRequiredClientCapabilities {
			t.Errorf("%s: answer %s", name, a.message)
		}
	}
}

// Owners do not leak from one request into another.
func TestOwnersOfConcurrentRequests(t *testing.T) {
	runner := newFakeRunner()
	tools := ownedTools()
	runner.work = worker(t, tools)
	mcpServer := newServer()
	mcpserver.Mount(mcpServer, tools, runner, nil)
	server := serve(t, auth.RequireBearerToken(verify, nil)(endpoint(mcpServer)))

	const users = 8
	for user := range users {
		runner.add(mcptasks.Task{ID: fmt.Sprintf("task-%d", user), Owner: mcptasks.Owner(fmt.Sprintf("user-%d", user)), Status: mcptasks.StatusWorking})
	}
	var wait sync.WaitGroup
	for user := range users {
		wait.Go(func() {
			token := fmt.Sprintf("user:user-%d", user)
			for other := range users {
				a := post(t, server, request{method: "tasks/get", name: fmt.Sprintf("task-%d", other), token: token})
				if (a.Error == nil) != (other == user) {
					t.Errorf("user-%d asked for task-%d and got %s", user, other, a.message)
				}
				post(t, server, request{method: "tools/call", name: "add", arguments: fmt.Sprintf(`{"a":%d}`, user), meta: undeclared, token: token})
			}
		})
	}
	wait.Wait()
	created := 0
	for _, call := range runner.takeCalls() {
		var user string
		var a int
		if n, _ := fmt.Sscanf(call, `Create %q add {"a":%d}`, &user, &a); n == 2 {
			created++
			if user != fmt.Sprintf("user-%d", a) {
				t.Errorf("%s is another user's call", call)
			}
		}
	}
	if created != users*users {
		t.Errorf("%d tasks were made, want %d", created, users*users)
	}
}

// The answers for unknown ids and for ids of another owner's tasks differ only in the
// request's own id.
func TestUnknownIDsAnswerAlike(t *testing.T) {
	runner := newFakeRunner()
	runner.add(mcptasks.Task{ID: "foreign", Owner: "somebody else", Status: mcptasks.StatusCompleted})
	server := mounted(t, ownedTools(), runner, nil)
	answers := make(map[string][]string)
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		for _, id := range []string{"0198f000-0000-7000-8000-000000000000", "foreign", "'; --", "%00", strings.Repeat("x", 1<<20)} {
			res, err := server.Client().Do(request{method: method, name: id}.http(t.Context(), server.URL))
			if err != nil {
				t.Fatal(err)
			}
			res.Header.Del("Date")
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			answer := fmt.Sprint(res.Status, res.Header, string(body))
			answers[answer] = append(answers[answer], fmt.Sprintf("%s %.20s", method, id))
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %q", answers)
	}
}
