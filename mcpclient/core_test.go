package mcpclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

const relatedTask = "io.modelcontextprotocol/related-task"

const (
	bigCoreResult = `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"` + taskID + `"}},"content":[{"type":"text","text":"done"}],"structuredContent":{"n":9007199254740993}}`
	coreTasks     = `{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}`
)

// A coreServer is an SDK server with one task of protocol 2025-11-25.
type coreServer struct {
	*mcp.Server
	capability string            // capabilities.tasks
	support    map[string]string // execution.taskSupport in tools/list
	enforced   map[string]string // the taskSupport that tools/call requires

	mu        sync.Mutex
	changed   chan struct{} // closed when the task changes
	task      map[string]any
	result    string
	failure   *jsonrpc.Error
	polled    func(n int, s *coreServer) // called at each tasks/get, under the lock
	polls     int
	question  *mcp.ElicitParams // sent during tasks/result; answer is called with the result
	answer    func(*mcp.ElicitResult)
	calls     []string // names of tools, with + if called as a task
	cancelled []string
	listed    int
}

func newCoreServer() *coreServer {
	support := map[string]string{"report": "optional", "must": "required", "plain": "", "never": "forbidden"}
	s := &coreServer{
		capability: coreTasks,
		support:    support,
		enforced:   support,
		changed:    make(chan struct{}),
		task: map[string]any{
			"taskId": taskID, "status": "working", "statusMessage": "2 of 5", "createdAt": "2026-08-01T12:00:00Z",
			"lastUpdatedAt": "2026-08-01T12:00:02Z", "ttl": 3_600_000, "pollInterval": 1,
		},
	}
	s.Server = mcp.NewServer(&mcp.Implementation{Name: "core"}, nil)
	for name := range support {
		mcp.AddTool(s.Server, &mcp.Tool{Name: name}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "at once"}}}, nil, nil
		})
	}
	s.AddReceivingMiddleware(s.middleware)
	must(mcp.AddReceivingCustomMethod(s.Server, mcpwire.MethodGet, s.get))
	must(mcp.AddReceivingCustomMethod(s.Server, mcpwire.MethodCancel, s.cancel))
	must(mcp.AddReceivingCustomMethod(s.Server, "tasks/result", s.getResult))
	must(mcp.AddReceivingCustomMethod(s.Server, "tasks/list", s.list))
	return s
}

// A document is a result that the SDK does not know.
type document struct {
	mcp.ResultBase
	json json.RawMessage
}

func (d *document) MarshalJSON() ([]byte, error) { return d.json, nil }

// with adds members to a result of the SDK.
func with(result any, add func(map[string]any)) (mcp.Result, error) {
	data, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	add(members)
	return newDocument(members)
}

func newDocument(v any) (*document, error) {
	data, err := json.Marshal(v)
	return &document{json: data}, err
}

func (s *coreServer) middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		switch method {
		case "initialize":
			result, err := next(ctx, method, req)
			if err != nil || s.capability == "" {
				return result, err
			}
			return with(result, func(m map[string]any) {
				m["capabilities"].(map[string]any)["tasks"] = json.RawMessage(s.capability)
			})
		case "tools/list":
			s.mu.Lock()
			s.listed++
			s.mu.Unlock()
			result, err := next(ctx, method, req)
			if err != nil {
				return nil, err
			}
			return with(result, func(m map[string]any) {
				for _, tool := range m["tools"].([]any) {
					tool := tool.(map[string]any)
					if support := s.support[tool["name"].(string)]; support != "" {
						tool["execution"] = map[string]any{"taskSupport": support}
					}
				}
			})
		case "tools/call":
			return s.call(ctx, next, req.(*mcp.CallToolRequest))
		default:
			return next(ctx, method, req)
		}
	}
}

func (s *coreServer) call(ctx context.Context, next mcp.MethodHandler, req *mcp.CallToolRequest) (mcp.Result, error) {
	_, asTask := req.Params.Meta["test/task"]
	s.mu.Lock()
	defer s.mu.Unlock()
	called := req.Params.Name
	if asTask {
		called += "+"
	}
	s.calls = append(s.calls, called)
	support := s.enforced[req.Params.Name]
	switch {
	case asTask && support != "optional" && support != "required", !asTask && support == "required":
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "taskSupport is " + support}
	case asTask:
		return newDocument(map[string]any{"task": s.task})
	default:
		return next(ctx, "tools/call", req)
	}
}

func (s *coreServer) known(id string) error {
	if id != taskID {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no such task"}
	}
	return nil
}

func (s *coreServer) get(_ context.Context, _ *mcp.ServerSession, params *mcpwire.TaskParams) (*document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polls++; s.polled != nil {
		s.polled(s.polls, s)
	}
	if err := s.known(params.TaskID); err != nil {
		return nil, err
	}
	return newDocument(s.task)
}

// end ends the task. The caller holds the lock.
func (s *coreServer) end(status mcptasks.Status, result string, failure *jsonrpc.Error) {
	if s.terminal() {
		return
	}
	s.task["status"], s.result, s.failure = status, result, failure
	close(s.changed)
}

func (s *coreServer) terminal() bool {
	status, _ := s.task["status"].(mcptasks.Status)
	return status.Terminal()
}

func (s *coreServer) complete() { s.end(mcptasks.StatusCompleted, bigCoreResult, nil) }

func (s *coreServer) getResult(ctx context.Context, session *mcp.ServerSession, params *mcpwire.TaskParams) (*document, error) {
	if err := s.known(params.TaskID); err != nil {
		return nil, err
	}
	s.mu.Lock()
	question := s.question
	s.mu.Unlock()
	if question != nil {
		asking := *question
		asking.Meta = mcp.Meta{relatedTask: map[string]any{"taskId": taskID}}
		answer, err := session.Elicit(ctx, &asking)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.answer(answer)
		s.mu.Unlock()
	}
	select {
	case <-s.changed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return nil, s.failure
	}
	return &document{json: json.RawMessage(s.result)}, nil
}

func (s *coreServer) cancel(_ context.Context, _ *mcp.ServerSession, params *mcpwire.TaskParams) (*document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(params.TaskID); err != nil {
		return nil, err
	}
	if s.terminal() {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the task has ended"}
	}
	s.cancelled = append(s.cancelled, params.TaskID)
	s.end(mcptasks.StatusCancelled, "", &jsonrpc.Error{Code: -32000, Message: "cancelled"})
	return newDocument(s.task)
}

type cursorParams struct {
	mcp.ParamsBase
	Cursor string `json:"cursor"`
}

func (s *coreServer) list(_ context.Context, _ *mcp.ServerSession, params *cursorParams) (*document, error) {
	switch {
	case params == nil || params.Cursor == "":
		return newDocument(map[string]any{"tasks": []any{s.task}, "nextCursor": "more"})
	case params.Cursor == "more":
		return newDocument(map[string]any{"tasks": []any{}})
	default:
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no such cursor"}
	}
}

// moveTask moves params.task, which the SDK drops, to _meta, where the middleware sees it.
func moveTask(data []byte) []byte {
	var message struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Method  string          `json:"method"`
		Params  map[string]any  `json:"params"`
	}
	if json.Unmarshal(data, &message) != nil || message.Method != "tools/call" || message.Params["task"] == nil {
		return data
	}
	meta, _ := message.Params["_meta"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["test/task"] = message.Params["task"]
	message.Params["_meta"] = meta
	data, err := json.Marshal(message)
	must(err)
	return data
}

func (s *coreServer) handler() http.Handler {
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			body, err := io.ReadAll(req.Body)
			must(err)
			body = moveTask(body)
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		inner.ServeHTTP(w, req)
	})
}

type movingTransport struct{ mcp.Transport }

func (m movingTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	connection, err := m.Transport.Connect(ctx)
	return movingConnection{connection}, err
}

type movingConnection struct{ mcp.Connection }

func (m movingConnection) Read(ctx context.Context) (jsonrpc.Message, error) {
	msg, err := m.Connection.Read(ctx)
	if err != nil {
		return nil, err
	}
	data, err := jsonrpc.EncodeMessage(msg)
	must(err)
	return jsonrpc.DecodeMessage(moveTask(data))
}

// coreWires are the ways a client can reach a server of 2025-11-25.
var coreWires = map[string]func(*testing.T, *coreServer) mcp.Transport{
	"http": func(t *testing.T, s *coreServer) mcp.Transport { return at(t, s.handler()) },
	"memory": func(t *testing.T, s *coreServer) mcp.Transport {
		client, server := mcp.NewInMemoryTransports()
		session, err := s.Connect(t.Context(), movingTransport{server}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Wait() })
		return client
	},
}

func onEveryCoreWire(t *testing.T, test func(t *testing.T, s *coreServer, transport mcp.Transport)) {
	for name, connect := range coreWires {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCoreServer()
			test(t, s, connect(t, s))
		})
	}
}

func connectCore(t *testing.T, transport mcp.Transport, opts *mcpclient.ClientOptions) *mcpclient.Session {
	t.Helper()
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, opts)
	session, err := client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestCoreStart(t *testing.T) {
	t.Parallel()
	onEveryCoreWire(t, func(t *testing.T, s *coreServer, transport mcp.Transport) {
		session := connectCore(t, transport, nil)
		params := &mcp.CallToolParams{Name: "report", Arguments: map[string]any{}}
		started, err := session.Start(t.Context(), params)
		if err != nil || started.Task == nil || started.Result != nil {
			t.Fatalf("started %+v, %v", started, err)
		}
		want := mcpclient.Task{
			ID: taskID, Status: mcptasks.StatusWorking, StatusMessage: "2 of 5", TTL: time.Hour, PollInterval: time.Millisecond,
			CreatedAt: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC), UpdatedAt: time.Date(2026, 8, 1, 12, 0, 2, 0, time.UTC),
		}
		if got := *started.Task; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("task  %+v\nwant  %+v", got, want)
		}
		if started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "must"}); err != nil || started.Task == nil {
			t.Errorf("required: %+v, %v", started, err)
		}
		for _, tool := range []string{"plain", "never"} {
			if started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: tool}); err != nil || started.Result == nil || textOf(started.Result) != "at once" {
				t.Errorf("%s: %+v, %v", tool, started, err)
			}
		}
		if want := []string{"report+", "must+", "plain", "never"}; !slices.Equal(s.calls, want) || s.listed != 1 {
			t.Errorf("calls %q after %d lists, want %q", s.calls, s.listed, want)
		}
	})
}

// If tools/call requires another taskSupport than the list said, the client calls the tool
// the other way, and remembers.
func TestCoreTaskSupportChanges(t *testing.T) {
	t.Parallel()
	s := newCoreServer()
	s.enforced = map[string]string{"report": "forbidden", "plain": "required"}
	session := connectCore(t, coreWires["http"](t, s), nil)
	for range 2 {
		if started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil || started.Result == nil {
			t.Errorf("report: %+v, %v", started, err)
		}
		if started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "plain"}); err != nil || started.Task == nil {
			t.Errorf("plain: %+v, %v", started, err)
		}
	}
	if want := []string{"report+", "report", "plain", "plain+", "report", "plain+"}; !slices.Equal(s.calls, want) {
		t.Errorf("calls %q, want %q", s.calls, want)
	}
}

// Without the capability the client sends nothing about tasks.
func TestCoreCapabilities(t *testing.T) {
	t.Parallel()
	s := newCoreServer()
	s.capability = `{"cancel":{}}`
	s.enforced = nil
	session := connectCore(t, coreWires["http"](t, s), nil)
	if started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil || started.Result == nil {
		t.Errorf("%+v, %v", started, err)
	}
	if !slices.Equal(s.calls, []string{"report"}) || s.listed != 0 {
		t.Errorf("calls %q, %d lists", s.calls, s.listed)
	}
	if task, err := session.Get(t.Context(), taskID); err != nil || task.ID != taskID {
		t.Errorf("get: %+v, %v", task, err)
	}
	if _, err := session.List(t.Context(), ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("list: %v", err)
	}

	s = newCoreServer()
	s.capability = `{"list":{},"requests":{}}`
	if err := connectCore(t, coreWires["http"](t, s), nil).Cancel(t.Context(), taskID); !errors.Is(err, errors.ErrUnsupported) || len(s.cancelled) != 0 {
		t.Errorf("cancel: %v", err)
	}

	s = newCoreServer()
	s.capability = ""
	session = connectCore(t, coreWires["http"](t, s), nil)
	if _, err := session.Get(t.Context(), taskID); !errors.Is(err, errors.ErrUnsupported) || s.polls != 0 {
		t.Errorf("get: %v", err)
	}
	if _, err := session.Resume(t.Context(), taskID); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("resume: %v", err)
	}
}

func TestCoreCallTool(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(*coreServer)
		want func(result *mcp.CallToolResult, err error) bool
		raw  string
	}{
		"completed": {(*coreServer).complete, func(result *mcp.CallToolResult, err error) bool {
			return err == nil && textOf(result) == "done" && !result.IsError
		}, bigCoreResult},
		"isError": {func(s *coreServer) {
			s.end(mcptasks.StatusFailed, `{"content":[{"type":"text","text":"no ink"}],"isError":true}`, nil)
		}, func(result *mcp.CallToolResult, err error) bool {
			return err == nil && textOf(result) == "no ink" && result.IsError
		}, `{"content":[{"type":"text","text":"no ink"}],"isError":true}`},
		"error": {func(s *coreServer) {
			s.end(mcptasks.StatusFailed, "", &jsonrpc.Error{Code: -32602, Message: "no ink", Data: json.RawMessage(`[1]`)})
		}, func(_ *mcp.CallToolResult, err error) bool {
			var failure *jsonrpc.Error
			return errors.As(err, &failure) && failure.Code == -32602 && failure.Message == "no ink" && string(failure.Data) == `[1]` && !errors.Is(err, mcptasks.ErrNotFound)
		}, ""},
		"cancelled": {
			func(s *coreServer) { s.end(mcptasks.StatusCancelled, "", &jsonrpc.Error{Code: -1}) },
			func(_ *mcp.CallToolResult, err error) bool { return errors.Is(err, mcptasks.ErrCancelled) }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEveryCoreWire(t, func(t *testing.T, s *coreServer, transport mcp.Transport) {
				var seen taskLog
				session := connectCore(t, transport, &mcpclient.ClientOptions{OnTask: seen.add})
				s.polled = func(n int, s *coreServer) {
					if s.task["statusMessage"] = fmt.Sprint(n); n == 2 {
						test.end(s)
					}
				}
				result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
				if !test.want(result, err) {
					t.Errorf("%+v, %v", result, err)
				}
				if got := seen.messages(); !slices.Equal(got, []string{"2 of 5", "1", "2"}) {
					t.Errorf("observed %q", got)
				}
				if last := seen.tasks[2]; string(last.Result) != test.raw {
					t.Errorf("result %s", last.Result)
				}
				// The session can ask again later.
				again, err := session.Resume(patient(t), taskID)
				if !test.want(again, err) {
					t.Errorf("resumed: %+v, %v", again, err)
				}
			})
		})
	}
}

func TestCoreQuestion(t *testing.T) {
	t.Parallel()
	onEveryCoreWire(t, func(t *testing.T, s *coreServer, transport mcp.Transport) {
		var asked atomic.Int32
		polls := make(chan int, 1000)
		session := connectCore(t, transport, &mcpclient.ClientOptions{ClientOptions: mcp.ClientOptions{
			ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				asked.Add(1)
				for n := 0; n < 3; { // the task is polled meanwhile
					n = receive(t, polls)
				}
				return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": req.Params.Message}}, nil
			},
		}})
		s.question = &mcp.ElicitParams{Message: "Who?", RequestedSchema: map[string]any{"type": "object"}}
		s.task["status"] = mcptasks.StatusInputRequired
		s.polled = func(n int, _ *coreServer) { polls <- n }
		s.answer = func(answer *mcp.ElicitResult) {
			s.question, s.task["status"] = nil, mcptasks.StatusWorking
			s.end(mcptasks.StatusCompleted, fmt.Sprintf(`{"content":[{"type":"text","text":%q}]}`, answer.Content["name"]), nil)
		}
		result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
		if err != nil || textOf(result) != "Who?" || asked.Load() != 1 {
			t.Errorf("%+v, %v after %d questions", result, err, asked.Load())
		}
	})
}

func TestCoreCancel(t *testing.T) {
	t.Parallel()
	onEveryCoreWire(t, func(t *testing.T, s *coreServer, transport mcp.Transport) {
		session := connectCore(t, transport, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s.polled = func(n int, _ *coreServer) {
			if n == 2 {
				cancel()
			}
		}
		_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "report"})
		var e *mcptasks.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.TaskID != taskID || !slices.Equal(s.cancelled, []string{taskID}) {
			t.Errorf("error %v, cancelled %q", err, s.cancelled)
		}
		if err := session.Cancel(t.Context(), taskID); err != nil {
			t.Errorf("cancel of a task that has ended: %v", err)
		}
		if err := session.Cancel(t.Context(), "nobody"); !errors.Is(err, mcptasks.ErrNotFound) {
			t.Errorf("cancel of no task: %v", err)
		}
		if _, err := session.Get(t.Context(), "nobody"); !errors.Is(err, mcptasks.ErrNotFound) {
			t.Errorf("get of no task: %v", err)
		}
	})
}

func TestCoreList(t *testing.T) {
	t.Parallel()
	onEveryCoreWire(t, func(t *testing.T, s *coreServer, transport mcp.Transport) {
		session := connectCore(t, transport, nil)
		page, err := session.List(t.Context(), "")
		if err != nil || len(page.Tasks) != 1 || page.Tasks[0].ID != taskID || page.Tasks[0].TTL != time.Hour || page.Next != "more" {
			t.Errorf("page %+v, %v", page, err)
		}
		if page, err = session.List(t.Context(), "more"); err != nil || len(page.Tasks) != 0 || page.Next != "" {
			t.Errorf("last page %+v, %v", page, err)
		}
		if _, err := session.List(t.Context(), "bad"); !errors.Is(err, mcptasks.ErrInvalid) {
			t.Errorf("bad cursor: %v", err)
		}
	})
	s := newServer()
	if _, err := connect(t, wires["json"](t, s), nil).List(t.Context(), ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("extension: %v", err)
	}
}

// The server restarts: it is down for a while, and then knows no session. It does so
// between polls, while a question is open, and before a call.
func TestCoreServerRestarts(t *testing.T) {
	t.Parallel()
	for _, forgets := range []string{"the SDK's 404", "a 404 in JSON-RPC"} {
		t.Run(forgets, func(t *testing.T) {
			t.Parallel()
			s := newCoreServer()
			var mu sync.Mutex
			current, away := s.handler(), 0
			restart := func() {
				mu.Lock()
				defer mu.Unlock()
				current, away = s.handler(), 1
			}
			front := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				mu.Lock()
				handler, id := current, req.Header.Get("Mcp-Session-Id")
				if away > 0 {
					if req.Method == http.MethodPost {
						away--
					}
					mu.Unlock()
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				mu.Unlock()
				if forgets == "a 404 in JSON-RPC" && id != "" {
					w = &sessionNotFound{ResponseWriter: w}
				}
				handler.ServeHTTP(w, req)
			})
			var asked atomic.Int32
			session := connectCore(t, at(t, front), &mcpclient.ClientOptions{ClientOptions: mcp.ClientOptions{
				ElicitationHandler: func(ctx context.Context, _ *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					if asked.Add(1) == 1 {
						restart()
						<-ctx.Done() // the server that asked is down
						return nil, ctx.Err()
					}
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
				},
			}})
			first := session.ClientSession()
			s.question = &mcp.ElicitParams{Message: "Who?", RequestedSchema: map[string]any{"type": "object"}}
			s.polled = func(n int, s *coreServer) {
				switch n {
				case 2:
					go restart()
				case 5:
					s.task["status"] = mcptasks.StatusInputRequired
				}
			}
			s.answer = func(*mcp.ElicitResult) {
				s.question = nil
				s.complete()
			}
			result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
			if err != nil || textOf(result) != "done" || asked.Load() != 2 {
				t.Errorf("%+v, %v after %d questions", result, err, asked.Load())
			}

			restart()
			mu.Lock()
			away = 0
			mu.Unlock()
			if started, err := session.Start(patient(t), &mcp.CallToolParams{Name: "report"}); err != nil || started.Task == nil {
				t.Errorf("started %+v, %v", started, err)
			}
			if want := []string{"report+", "report+"}; !slices.Equal(s.calls, want) {
				t.Errorf("calls %q", s.calls)
			}
			if newest := session.ClientSession(); newest == first {
				t.Error("ClientSession is still that of the first connection")
			} else if _, err := newest.ListTools(patient(t), nil); err != nil {
				t.Errorf("ClientSession: %v", err)
			}
		})
	}
}

// sessionNotFound answers 404 as the TypeScript SDK does.
type sessionNotFound struct {
	http.ResponseWriter
	said bool
}

func (s *sessionNotFound) WriteHeader(status int) {
	if status == http.StatusNotFound {
		s.said = true
		s.Header().Set("Content-Type", "application/json")
	}
	s.ResponseWriter.WriteHeader(status)
	if s.said {
		fmt.Fprint(s.ResponseWriter, `{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}`)
	}
}

func (s *sessionNotFound) Write(data []byte) (int, error) {
	if s.said {
		return len(data), nil
	}
	return s.ResponseWriter.Write(data)
}

func (s *sessionNotFound) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *sessionNotFound) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

func TestMalformedCoreTasks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*coreServer)
		want   string
	}{
		"no id":          {func(s *coreServer) { s.task["taskId"] = "" }, "no taskId"},
		"a number as id": {func(s *coreServer) { s.task["taskId"] = 7 }, "malformed"},
		"unknown status": {func(s *coreServer) { s.task["status"] = "asleep" }, "asleep"},
		"a bad interval": {func(s *coreServer) { s.task["pollInterval"] = "soon" }, "malformed"},
		"a bad time":     {func(s *coreServer) { s.task["createdAt"] = "soon" }, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCoreServer()
			test.change(s)
			session := connectCore(t, coreWires["http"](t, s), nil)
			_, startErr := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"})
			_, getErr := session.Get(t.Context(), taskID)
			for _, err := range []error{startErr, getErr} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
			}
		})
	}
	s := newCoreServer()
	s.task["ttl"], s.task["pollInterval"] = nil, 1.5e300
	if task, err := connectCore(t, coreWires["http"](t, s), nil).Get(t.Context(), taskID); err != nil || task.TTL != 0 || task.PollInterval < 1<<62 {
		t.Errorf("task %+v, %v", task, err)
	}
}
