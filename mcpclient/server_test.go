package mcpclient_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpclient"
)

const taskID = "0190b3f0-6d2e-7c4a-9e53-3f5b0c1d2e4f"

// bigResult has a number that float64 cannot hold.
const bigResult = `{"resultType":"complete","content":[{"type":"text","text":"done"}],"structuredContent":{"n":9007199254740993}}`

// A server is an SDK server with one task. A test sets what its methods answer.
type server struct {
	*mcp.Server
	call func(context.Context, *mcp.CallToolRequest) (mcp.Result, error) // nil answers with the handle

	polled   func(n int, task *mcpwire.Task)                      // called with the task at each tasks/get
	answered func(task *mcpwire.Task, key, response string) error // called with each answer

	mu        sync.Mutex
	polls     int
	task      mcpwire.Task
	cancelled []string
	declared  []string // methods whose requests declared the extension
}

func newServer() *server {
	s := &server{task: mcpwire.Task{
		ResultType:     "complete",
		TaskID:         taskID,
		Status:         mcptasks.StatusWorking,
		StatusMessage:  "2 of 5",
		CreatedAt:      time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC),
		LastUpdatedAt:  time.Date(2026, 8, 1, 12, 0, 2, 0, time.UTC),
		TTLMs:          new(int64(3_600_000)),
		PollIntervalMs: 250,
	}}
	capabilities := new(mcp.ServerCapabilities)
	capabilities.AddExtension(mcpwire.Extension, nil)
	s.Server = mcp.NewServer(&mcp.Implementation{Name: "test"}, &mcp.ServerOptions{Capabilities: capabilities})
	mcp.AddTool(s.Server, &mcp.Tool{Name: "plain"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "at once"}}}, nil, nil
	})
	s.AddReceivingMiddleware(s.middleware)
	must(mcp.AddReceivingCustomMethod(s.Server, mcpwire.MethodGet, s.get))
	must(mcp.AddReceivingCustomMethod(s.Server, mcpwire.MethodUpdate, s.update))
	must(mcp.AddReceivingCustomMethod(s.Server, mcpwire.MethodCancel, s.cancel))
	return s
}

func (s *server) middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if meta, err := json.Marshal(req.GetParams().GetMeta()[mcp.MetaKeyClientCapabilities]); err == nil {
			var c struct{ Extensions map[string]struct{} }
			if json.Unmarshal(meta, &c) == nil {
				if _, ok := c.Extensions[mcpwire.Extension]; ok {
					s.mu.Lock()
					s.declared = append(s.declared, method)
					s.mu.Unlock()
				}
			}
		}
		call, ok := req.(*mcp.CallToolRequest)
		switch {
		case !ok || call.Params.Name == "plain":
			return next(ctx, method, req)
		case s.call != nil:
			return s.call(ctx, call)
		default:
			return s.handle(), nil
		}
	}
}

func (s *server) handle() *mcpwire.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	handle := s.task
	handle.ResultType, handle.InputRequests = "task", nil
	return &handle
}

func (s *server) get(_ context.Context, _ *mcp.ServerSession, params *mcpwire.TaskParams) (*mcpwire.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if params.TaskID != taskID {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no such task"}
	}
	s.polls++
	if s.polled != nil {
		s.polled(s.polls, &s.task)
	}
	task := s.task
	task.InputRequests = maps.Clone(task.InputRequests)
	return &task, nil
}

func (s *server) update(_ context.Context, _ *mcp.ServerSession, params *mcpwire.UpdateParams) (*mcpwire.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, response := range params.InputResponses {
		if err := s.answered(&s.task, key, string(response)); err != nil {
			return nil, err
		}
	}
	return mcpwire.NewAck(), nil
}

func (s *server) cancel(_ context.Context, _ *mcp.ServerSession, params *mcpwire.TaskParams) (*mcpwire.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if params.TaskID != taskID {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no such task"}
	}
	s.cancelled = append(s.cancelled, params.TaskID)
	return mcpwire.NewAck(), nil
}

func (s *server) set(change func(*mcpwire.Task)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.task)
}

// wires are the ways a client can reach a server.
var wires = map[string]func(*testing.T, *server) mcp.Transport{
	"json": func(t *testing.T, s *server) mcp.Transport {
		return overHTTP(t, s.Server, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	},
	"sse": func(t *testing.T, s *server) mcp.Transport {
		return overHTTP(t, s.Server, &mcp.StreamableHTTPOptions{Stateless: true})
	},
	"memory": func(t *testing.T, s *server) mcp.Transport {
		client, server := mcp.NewInMemoryTransports()
		session, err := s.Connect(t.Context(), server, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Wait() })
		return client
	},
}

func onEveryWire(t *testing.T, test func(t *testing.T, s *server, transport mcp.Transport)) {
	for name, connect := range wires {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			test(t, s, connect(t, s))
		})
	}
}

func overHTTP(t *testing.T, s *mcp.Server, opts *mcp.StreamableHTTPOptions) mcp.Transport {
	return at(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, opts))
}

// at serves the handler and returns a transport to it.
func at(t *testing.T, handler http.Handler) *mcp.StreamableClientTransport {
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return &mcp.StreamableClientTransport{Endpoint: srv.URL, HTTPClient: srv.Client()}
}

func connect(t *testing.T, transport mcp.Transport, opts *mcp.ClientOptions) *mcpclient.Session {
	t.Helper()
	if opts == nil {
		opts = new(mcp.ClientOptions)
	}
	return connectAs(t, transport, &mcpclient.ClientOptions{ClientOptions: *opts})
}

func connectAs(t *testing.T, transport mcp.Transport, opts *mcpclient.ClientOptions) *mcpclient.Session {
	t.Helper()
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, opts)
	session, err := client.Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
