package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpclient"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/tasktest"
)

var alicePays = map[string]any{"to": "Bob", "amount": 250}

func accept(approved bool) *mcp.ElicitResult {
	return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"approved": approved}}
}

func wantText(t *testing.T, task *tasktest.Task, want string) {
	t.Helper()
	if task.Status() != mcptasks.StatusCompleted {
		t.Fatalf("the task is %s", task.Status())
	}
	if got := task.Result().Content[0].(*mcp.TextContent).Text; !strings.Contains(got, want) {
		t.Errorf("the result is %q, want %q in it", got, want)
	}
}

func TestApproved(t *testing.T) {
	task := tasktest.New(t, newTools()).Task("pay", alicePays)
	task.Run()
	if question, asked := task.Questions()["approve"]; !asked || !strings.Contains(string(question.Params), "Pay 250.00 € to Bob?") {
		t.Fatalf("asked: %+v", task.Questions())
	}
	if task.Status() != mcptasks.StatusInputRequired || task.StepRuns("pay") != 0 {
		t.Fatalf("before the answer the task is %s, and %d payments were made", task.Status(), task.StepRuns("pay"))
	}

	task.Answer("approve", accept(true))
	task.KillAfter("pay")
	task.Run()
	task.Run()
	wantText(t, task, "Bob was paid 250.00 €")
	if paid := task.StepRuns("pay"); paid != 1 {
		t.Errorf("%d payments were made", paid)
	}
}

func TestNotApproved(t *testing.T) {
	for name, answer := range map[string]*mcp.ElicitResult{"not approved": accept(false), "declined": {Action: "decline"}} {
		t.Run(name, func(t *testing.T) {
			task := tasktest.New(t, newTools()).Task("pay", alicePays)
			task.Run()
			task.Answer("approve", answer)
			task.Run()
			wantText(t, task, "it was not approved")
		})
	}
}

func TestUnanswered(t *testing.T) {
	task := tasktest.New(t, newTools()).Task("pay", alicePays)
	task.Run()
	task.Expire("approve")
	task.Run()
	wantText(t, task, "nobody answered")
}

// TestOwners requests Alice's task as Bob, and without a valid token.
func TestOwners(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tools := newTools()
	node, err := runner.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "tasks.db"), tools, &runner.Config{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	endpoint := httptest.NewServer(newHandler(tools, node, map[string]string{"token-a": "alice", "token-b": "bob"}))
	defer endpoint.Close()

	alice, bob := connect(ctx, t, endpoint.URL, "token-a"), connect(ctx, t, endpoint.URL, "token-b")
	started, err := alice.Start(ctx, &mcp.CallToolParams{Name: "pay", Arguments: alicePays})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Get(ctx, started.Task.ID); err != nil {
		t.Error(err)
	}
	_, foreign := bob.Get(ctx, started.Task.ID)
	_, unknown := bob.Get(ctx, "no-such-task")
	if foreign == nil || unknown == nil || strings.ReplaceAll(foreign.Error(), started.Task.ID, "no-such-task") != unknown.Error() {
		t.Errorf("for Alice's task Bob gets %v; for an unknown task %v", foreign, unknown)
	}

	response, err := http.Post(endpoint.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", response.Status)
	}
}

func connect(ctx context.Context, t *testing.T, url, token string) *mcpclient.Session {
	t.Helper()
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint:   url,
		HTTPClient: &http.Client{Transport: bearer(token)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// bearer is a RoundTripper that adds its token.
type bearer string

func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(req)
}
