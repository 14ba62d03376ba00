package command_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/command"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
)

// serveWith serves in this process until the test ends, and returns the endpoint.
func serveWith(t *testing.T, options *command.Options, args ...string) (endpoint, url string) {
	t.Helper()
	url = "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	root := command.New(newTools(), options)
	out := newLines()
	root.SetOut(out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{"serve", "--addr", "127.0.0.1:0", "--database", url}, args...))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve ended with %v", err)
		}
	})
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return strings.TrimPrefix(out.next(t, waiting), "listening on "), url
}

// TestOptions serves with the program's own server, authentication and owners.
func TestOptions(t *testing.T) {
	endpoint, url := serveWith(t, &command.Options{
		Server: func() *mcp.Server {
			return mcp.NewServer(&mcp.Implementation{Name: "mine", Version: "v7"}, &mcp.ServerOptions{Instructions: "Ask for reports."})
		},
		Handler: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Authorization") == "" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, req)
			})
		},
		Mount: &mcpserver.Options{Owner: func(context.Context, mcp.Request) (mcptasks.Owner, error) { return "carol", nil }},
	})
	if status, _ := probe(t, endpoint); status != http.StatusUnauthorized {
		t.Errorf("without authentication the endpoint answers %d", status)
	}
	if status, _ := probe(t, strings.TrimSuffix(endpoint, "/mcp")+"/readyz"); status != http.StatusOK {
		t.Errorf("a load balancer must authenticate: %d", status)
	}

	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: &http.Client{Transport: authorized{}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if got := session.InitializeResult(); got.ServerInfo.Name != "mine" || got.Instructions != "Ask for reports." {
		t.Errorf("the client meets %+v", got)
	}
	if result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil || result.IsError {
		t.Errorf("the call returned %+v, %v", result, err)
	}
	if tasks := decode[listed](t, url, "tasks", "list", "--owner", "carol").Tasks; len(tasks) != 1 {
		t.Errorf("carol has %d tasks", len(tasks))
	}
}

type authorized struct{}

func (authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer token")
	return http.DefaultTransport.RoundTrip(req)
}

// TestConfigIsTheDefault checks that fields of Config are the defaults of flags.
func TestConfigIsTheDefault(t *testing.T) {
	root := command.New(newTools(), &command.Options{Config: &runner.Config{MaxWorkers: 7, Schema: "mine", Queues: []string{"reports"}}})
	for _, want := range []struct{ command, flag, value string }{
		{"work", "max-workers", "7"}, {"serve", "queue", "[reports]"}, {"work", "grace", "30s"},
	} {
		cmd, _, err := root.Find([]string{want.command})
		if err != nil {
			t.Fatal(err)
		}
		if got := cmd.Flags().Lookup(want.flag).DefValue; got != want.value {
			t.Errorf("%s --%s defaults to %s, want %s", want.command, want.flag, got, want.value)
		}
	}
	if got := root.PersistentFlags().Lookup("schema").DefValue; got != "mine" {
		t.Errorf("--schema defaults to %s", got)
	}
}

// TestRebinding sends a request as a page in a local browser does by DNS rebinding.
func TestRebinding(t *testing.T) {
	endpoint, _ := serveWith(t, options)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "attacker.example"
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a request for another host is answered %d", response.StatusCode)
	}
}
