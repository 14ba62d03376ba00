package mcpclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpclient"
)

func TestStartReturnsTheTask(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		session := connect(t, transport, nil)
		params := &mcp.CallToolParams{Name: "report", Arguments: map[string]any{"topic": "tides"}}
		started, err := session.Start(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		if started.Task == nil || started.Result != nil {
			t.Fatalf("started %+v, want a task alone", started)
		}
		want := mcpclient.Task{
			ID: taskID, Status: mcptasks.StatusWorking, StatusMessage: "2 of 5", TTL: time.Hour, PollInterval: 250 * time.Millisecond,
			CreatedAt: s.task.CreatedAt, UpdatedAt: s.task.LastUpdatedAt,
		}
		if got := *started.Task; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("task  %+v\nwant  %+v", got, want)
		}
		if params.Meta != nil {
			t.Errorf("Start wrote to its params: %v", params.Meta)
		}
	})
}

func TestStartReturnsAPlainAnswer(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, _ *server, transport mcp.Transport) {
		session := connect(t, transport, nil)
		started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "plain"})
		if err != nil {
			t.Fatal(err)
		}
		if started.Task != nil || started.Result == nil || textOf(started.Result) != "at once" {
			t.Errorf("started %+v, want the tool's answer alone", started)
		}
	})
}

// Start works with an SDK server without tasks, in each protocol version.
func TestStartNeedsNoTasks(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*mcp.StreamableHTTPOptions{"stateless": {Stateless: true}, "stateful": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mcp.NewServer(&mcp.Implementation{Name: "plain"}, nil)
			mcp.AddTool(s, &mcp.Tool{Name: "plain"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
				return nil, map[string]int{"n": 1}, nil
			})
			session := connect(t, overHTTP(t, s, opts), nil)
			started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "plain"})
			if err != nil || started.Result == nil || textOf(started.Result) != `{"n":1}` {
				t.Errorf("started %+v, %v", started, err)
			}
			_, err = session.Get(t.Context(), taskID)
			if err == nil || errors.Is(err, mcptasks.ErrNotFound) {
				t.Errorf("get of a server without tasks: %v", err)
			}
			if old := session.ClientSession().InitializeResult().ProtocolVersion < mcpwire.ExtensionVersion; errors.Is(err, errors.ErrUnsupported) != old {
				t.Errorf("get on protocol %s: %v", session.ClientSession().InitializeResult().ProtocolVersion, err)
			}
			if old, err := opts == nil, session.Cancel(t.Context(), taskID); errors.Is(err, errors.ErrUnsupported) != old || err == nil {
				t.Errorf("cancel on protocol %s: %v", session.ClientSession().InitializeResult().ProtocolVersion, err)
			}
		})
	}
}

func TestStartReturnsTheServersError(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		s.call = func(context.Context, *mcp.CallToolRequest) (mcp.Result, error) {
			return nil, &jsonrpc.Error{Code: -32050, Message: "out of paper"}
		}
		_, err := connect(t, transport, nil).Start(t.Context(), &mcp.CallToolParams{Name: "report"})
		var answered *jsonrpc.Error
		if !errors.As(err, &answered) || answered.Code != -32050 || !strings.Contains(err.Error(), "out of paper") {
			t.Errorf("error %v", err)
		}
	})
}

// The SDK asks the user for input that the server wants before the task, and sends the call
// again.
func TestStartAnswersQuestionsFirst(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		s.call = func(ctx context.Context, req *mcp.CallToolRequest) (mcp.Result, error) {
			if req.Params.InputResponses != nil {
				return s.handle(), nil
			}
			return &inputRequired{Result: "input_required", InputRequests: map[string]any{
				"name": map[string]any{"method": "elicitation/create", "params": map[string]any{
					"mode": "form", "message": "Your name?", "requestedSchema": map[string]any{"type": "object", "properties": map[string]any{}},
				}},
			}}, nil
		}
		asked := 0
		session := connect(t, transport, &mcp.ClientOptions{
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				asked++
				return &mcp.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
			},
		})
		started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"})
		if err != nil || started.Task == nil || asked != 1 {
			t.Errorf("started %+v, %v, after %d questions", started, err, asked)
		}
	})
}

type inputRequired struct {
	mcp.ResultBase
	Result        string         `json:"resultType"`
	InputRequests map[string]any `json:"inputRequests"`
}

// Each of many concurrent calls gets its own handle.
func TestStartIsConcurrent(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		s.call = func(_ context.Context, req *mcp.CallToolRequest) (mcp.Result, error) {
			handle := s.handle()
			handle.TaskID = "task of " + req.Params.Name
			return handle, nil
		}
		session := connect(t, transport, nil)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				name := fmt.Sprint("tool", i)
				started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: name})
				if err != nil || started.Task == nil || started.Task.ID != "task of "+name {
					t.Errorf("%s: %+v, %v", name, started, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestGet(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		session := connect(t, transport, nil)
		get := func() *mcpclient.Task {
			t.Helper()
			task, err := session.Get(t.Context(), taskID)
			if err != nil {
				t.Fatal(err)
			}
			return task
		}
		if task := get(); task.Status != mcptasks.StatusWorking || task.StatusMessage != "2 of 5" || task.Result != nil {
			t.Errorf("working: %+v", task)
		}
		if _, err := get().CallToolResult(); err == nil {
			t.Error("a working task has a result")
		}

		s.set(func(w *mcpwire.Task) { w.Status, w.Result, w.TTLMs = mcptasks.StatusCompleted, []byte(bigResult), nil })
		task := get()
		if string(task.Result) != bigResult || task.TTL != 0 {
			t.Errorf("completed: %+v\nresult %s", task, task.Result)
		}
		if result, err := task.CallToolResult(); err != nil || textOf(result) != "done" {
			t.Errorf("result %+v, %v", result, err)
		}

		s.set(func(w *mcpwire.Task) {
			w.Status, w.Result, w.Error = mcptasks.StatusFailed, nil, &jsonrpc.Error{Code: -32099, Message: "no ink", Data: []byte(`[1]`)}
		})
		_, err := get().CallToolResult()
		var failure *jsonrpc.Error
		if !errors.As(err, &failure) || failure.Code != -32099 || string(failure.Data) != `[1]` {
			t.Errorf("failed: %v", err)
		}

		s.set(func(w *mcpwire.Task) { w.Status, w.Error = mcptasks.StatusCancelled, nil })
		if _, err := get().CallToolResult(); !errors.Is(err, mcptasks.ErrCancelled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestUnknownTask(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, _ *server, transport mcp.Transport) {
		session := connect(t, transport, nil)
		_, err := session.Get(t.Context(), "nobody")
		for _, err := range []error{err, session.Cancel(t.Context(), "nobody")} {
			var answered *jsonrpc.Error
			if !errors.Is(err, mcptasks.ErrNotFound) || !errors.As(err, &answered) || answered.Code != jsonrpc.CodeInvalidParams {
				t.Errorf("error %v", err)
			}
			var e *mcptasks.Error
			if !errors.As(err, &e) || e.TaskID != "nobody" {
				t.Errorf("error %#v", err)
			}
		}
		if _, err := session.Get(t.Context(), taskID); err != nil {
			t.Errorf("the session did not survive: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		session := connect(t, transport, nil)
		for range 2 {
			if err := session.Cancel(t.Context(), taskID); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(s.cancelled, []string{taskID, taskID}) {
			t.Errorf("cancelled %q", s.cancelled)
		}
	})
}

func TestEveryRequestDeclaresTasks(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		own := new(mcp.ClientCapabilities)
		own.AddExtension("example.com/own", nil)
		session := connect(t, transport, &mcp.ClientOptions{Capabilities: own})
		if _, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil {
			t.Fatal(err)
		}
		if _, err := session.Get(t.Context(), taskID); err != nil {
			t.Fatal(err)
		}
		if err := session.Cancel(t.Context(), taskID); err != nil {
			t.Fatal(err)
		}
		want := []string{"server/discover", mcpwire.MethodCall, mcpwire.MethodGet, mcpwire.MethodCancel}
		if !slices.Equal(s.declared, want) {
			t.Errorf("declared on %q, want %q", s.declared, want)
		}
		if len(own.Extensions) != 1 {
			t.Errorf("the caller's capabilities were changed: %v", own.Extensions)
		}
	})
}

func TestTasksAreNamedInTheHeader(t *testing.T) {
	t.Parallel()
	s := newServer()
	var mu sync.Mutex
	named := map[string]string{}
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, &mcp.StreamableHTTPOptions{Stateless: true})
	session := connect(t, at(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		named[req.Header.Get("Mcp-Method")] = req.Header.Get("Mcp-Name")
		mu.Unlock()
		inner.ServeHTTP(w, req)
	})), nil)
	if _, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Get(t.Context(), taskID); err != nil {
		t.Fatal(err)
	}
	if err := session.Cancel(t.Context(), taskID); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]string{mcpwire.MethodCall: "report", mcpwire.MethodGet: taskID, mcpwire.MethodCancel: taskID} {
		if named[method] != want {
			t.Errorf("Mcp-Name of %s is %q, want %q", method, named[method], want)
		}
	}
}

type countingTransport struct{ requests atomic.Int32 }

func (c *countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return http.DefaultTransport.RoundTrip(req)
}

// Every request goes through the caller's HTTP client, which is not modified.
func TestTheCallersHTTPClientIsUsed(t *testing.T) {
	t.Parallel()
	s := newServer()
	transport := wires["json"](t, s).(*mcp.StreamableClientTransport)
	counting := new(countingTransport)
	own := &http.Client{Transport: counting}
	transport.HTTPClient = own
	session := connect(t, transport, nil)
	if _, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil {
		t.Fatal(err)
	}
	if n := counting.requests.Load(); n != 2 { // server/discover and tools/call
		t.Errorf("%d requests were sent through the caller's transport, want 2", n)
	}
	if own.Transport != counting || transport.HTTPClient != own {
		t.Error("Connect changed the caller's transport")
	}
}

// The server sends the handle only after the client has seen the event before it.
func TestStreamsKeepStreaming(t *testing.T) {
	t.Parallel()
	s := newServer()
	seen := make(chan struct{})
	s.call = func(ctx context.Context, req *mcp.CallToolRequest) (mcp.Result, error) {
		err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: 1})
		if err != nil {
			return nil, err
		}
		select {
		case <-seen:
			return s.handle(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	session := connect(t, wires["sse"](t, s), &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { close(seen) },
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	params := &mcp.CallToolParams{Name: "report"}
	params.SetProgressToken("p")
	started, err := session.Start(ctx, params)
	if err != nil || started.Task == nil {
		t.Errorf("started %+v, %v", started, err)
	}
}

func textOf(result *mcp.CallToolResult) string {
	var b strings.Builder
	for _, c := range result.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}
