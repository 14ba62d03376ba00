// Package e2e runs the whole program against a real database: a node, its server
// over HTTP, and a client. The suite is written once; onpostgres and onsqlite run
// it, each with its own driver, since no package may import both.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
)

// patience bounds what a test waits for; nothing waits that long when it passes.
const patience = 30 * time.Second

// Database is what a test's nodes are opened on.
type Database struct {
	URL      string
	PollOnly bool // the nodes' Config.PollOnly
}

// program is one node with its server: what a user's main makes.
type program struct {
	*runner.Node
	url string
}

// serve opens a node on the database and serves the tools. With work it also works
// them. All of it ends with the test.
func serve(t *testing.T, db Database, tools *mcptasks.Tools, work bool, config *runner.Config, opts *mcpserver.Options) *program {
	t.Helper()
	cfg := runner.Config{Grace: 5 * time.Second}
	if config != nil {
		cfg = *config
	}
	cfg.PollOnly = db.PollOnly
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	node, err := runner.Open(t.Context(), db.URL, tools, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	server := mcp.NewServer(&mcp.Implementation{Name: "e2e", Version: "v1"}, nil)
	if opts == nil {
		opts = &mcpserver.Options{}
	}
	opts.Logger = cfg.Logger
	mcpserver.Mount(server, tools, node, opts)
	if work {
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	http := httptest.NewServer(mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	t.Cleanup(http.Close)
	return &program{Node: node, url: http.URL}
}

// answer is a JSON-RPC response.
type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *jsonrpc.Error  `json:"error"`
}

// request sends one request of protocol 2026-07-28 and returns its answer.
func (p *program) request(t *testing.T, method, name string, declare bool, params map[string]any) answer {
	t.Helper()
	return p.requestMeta(t, method, name, declare, params, nil)
}

// requestMeta is request with further members of _meta.
func (p *program) requestMeta(t *testing.T, method, name string, declare bool, params, more map[string]any) answer {
	t.Helper()
	capabilities := map[string]any{}
	if declare {
		capabilities["extensions"] = map[string]any{mcpwire.Extension: map[string]any{}}
	}
	meta := map[string]any{
		mcp.MetaKeyProtocolVersion:    mcpwire.ExtensionVersion,
		mcp.MetaKeyClientInfo:         map[string]any{"name": "e2e", "version": "v1"},
		mcp.MetaKeyClientCapabilities: capabilities,
	}
	maps.Copy(meta, more)
	params["_meta"] = meta
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": mcpwire.ExtensionVersion, "Mcp-Method": method, "Mcp-Name": mcpwire.EncodeHeader(name),
	} {
		req.Header.Set(key, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		_, data, _ = bytes.Cut(data, []byte("data: "))
	}
	var out answer
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%s: %v in %.500s", method, err, data)
	}
	return out
}

// call sends tools/call as a client that declares the extension and returns the
// handle.
func (p *program) call(t *testing.T, tool string, args map[string]any) mcpwire.Task {
	t.Helper()
	got := p.request(t, mcpwire.MethodCall, tool, true, map[string]any{"name": tool, "arguments": args})
	var task mcpwire.Task
	if got.Error != nil {
		t.Fatalf("tools/call %s: %v", tool, got.Error)
	}
	if err := json.Unmarshal(got.Result, &task); err != nil || task.ResultType != "task" || task.TaskID == "" {
		t.Fatalf("tools/call %s answered no handle: %s", tool, got.Result)
	}
	return task
}

// get sends tasks/get.
func (p *program) get(t *testing.T, id string) mcpwire.Task {
	t.Helper()
	got := p.request(t, mcpwire.MethodGet, id, true, map[string]any{"taskId": id})
	if got.Error != nil {
		t.Fatalf("tasks/get: %v", got.Error)
	}
	var task mcpwire.Task
	if err := json.Unmarshal(got.Result, &task); err != nil {
		t.Fatal(err)
	}
	return task
}

// ended waits for the task's end by watching it, then reads it as a client does.
func (p *program) ended(t *testing.T, id string) mcpwire.Task {
	t.Helper()
	p.until(t, id, func(task *mcptasks.Task) bool { return task.Status.Terminal() })
	return p.get(t, id)
}

// until watches the task until it is as wanted.
func (p *program) until(t *testing.T, id string, wanted func(*mcptasks.Task) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for task, err := range p.Watch(ctx, "", id) {
		if err != nil {
			t.Fatalf("watching the task: %v", err)
		}
		if wanted(task) {
			return
		}
	}
	t.Fatal("the task ended without having been as wanted")
}

// receive waits for a value.
func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case value := <-ch:
		return value
	case <-time.After(patience):
		t.Fatalf("no %s within %s", what, patience)
		panic("unreachable")
	}
}
