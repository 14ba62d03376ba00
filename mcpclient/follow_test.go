package mcpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpclient"
)

// patience limits each wait of a test. A test that passes does not wait that long.
const patience = 30 * time.Second

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive waits for a value.
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case value := <-ch:
		return value
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func complete(task *mcpwire.Task) {
	task.Status, task.Result, task.InputRequests = mcptasks.StatusCompleted, []byte(bigResult), nil
}

// taskLog has an OnTask that records the tasks.
type taskLog struct {
	mu    sync.Mutex
	tasks []mcpclient.Task
}

func (l *taskLog) add(_ context.Context, task *mcpclient.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, *task)
}

func (l *taskLog) messages() (messages []string) {
	for _, task := range l.tasks {
		messages = append(messages, task.StatusMessage)
	}
	return messages
}

func TestCallToolFollows(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		s.task.PollIntervalMs, s.task.StatusMessage = 1, "0"
		s.polled = func(n int, task *mcpwire.Task) {
			if task.StatusMessage = fmt.Sprint(n); n == 3 {
				complete(task)
			}
		}
		var seen taskLog
		session := connectAs(t, transport, &mcpclient.ClientOptions{OnTask: seen.add})
		result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
		if err != nil || textOf(result) != "done" {
			t.Fatalf("%+v, %v", result, err)
		}
		if got := seen.messages(); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("observed %q", got)
		}
		if last := seen.tasks[len(seen.tasks)-1]; string(last.Result) != bigResult {
			t.Errorf("the last task's result is %s", last.Result)
		}
	})
}

func TestCallToolOfAPlainTool(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, _ *server, transport mcp.Transport) {
		result, err := connect(t, transport, nil).CallTool(patient(t), &mcp.CallToolParams{Name: "plain"})
		if err != nil || textOf(result) != "at once" {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

// CallTool returns what the task ended with.
func TestCallToolEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(*mcpwire.Task)
		want error
		text string
	}{
		"error": {func(w *mcpwire.Task) {
			w.Status, w.Error = mcptasks.StatusFailed, &jsonrpc.Error{Code: -32099, Message: "no ink"}
		}, &jsonrpc.Error{Code: -32099}, "no ink"},
		"no error":   {func(w *mcpwire.Task) { w.Status, w.StatusMessage = mcptasks.StatusFailed, "burnt" }, nil, "burnt"},
		"cancelled":  {func(w *mcpwire.Task) { w.Status = mcptasks.StatusCancelled }, mcptasks.ErrCancelled, taskID},
		"malformed":  {func(w *mcpwire.Task) { w.Status, w.Result = mcptasks.StatusCompleted, nil }, nil, "no result"},
		"other task": {func(w *mcpwire.Task) { w.TaskID = "other" }, nil, "another task"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			s.task.PollIntervalMs = 1
			s.polled = func(_ int, task *mcpwire.Task) { test.end(task) }
			_, err := connect(t, wires["sse"](t, s), nil).CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
			var e *mcptasks.Error
			if !errors.As(err, &e) || e.TaskID != taskID || !strings.Contains(err.Error(), test.text) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v", err)
			}
			if len(s.cancelled) != 0 {
				t.Error("the task was cancelled")
			}
		})
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		session := connect(t, transport, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s.polled = func(int, *mcpwire.Task) { cancel() }
		_, err := session.Resume(ctx, taskID)
		var e *mcptasks.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.TaskID != taskID || len(s.cancelled) != 0 {
			t.Errorf("error %v, cancelled %q", err, s.cancelled)
		}
		s.polled = func(_ int, task *mcpwire.Task) { complete(task) }
		if result, err := session.Resume(patient(t), taskID); err != nil || textOf(result) != "done" {
			t.Errorf("%+v, %v", result, err)
		}
		if _, err := session.Resume(patient(t), "nobody"); !errors.Is(err, mcptasks.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

func TestCallToolCancels(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		why := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		s.task.PollIntervalMs = 1
		s.polled = func(n int, _ *mcpwire.Task) {
			if n == 2 {
				cancel(why)
			}
		}
		_, err := connect(t, transport, nil).CallTool(ctx, &mcp.CallToolParams{Name: "report"})
		var e *mcptasks.Error
		if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || !errors.As(err, &e) || e.TaskID != taskID {
			t.Errorf("error %v", err)
		}
		if !slices.Equal(s.cancelled, []string{taskID}) {
			t.Errorf("cancelled %q", s.cancelled)
		}
	})
}

// The client polls at the interval that the server asks for, within limits.
func TestPollIntervals(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int64]time.Duration{0: time.Second, 1: 100 * time.Millisecond, 2500: 2500 * time.Millisecond, 1 << 40: 5 * time.Minute, -7: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.task.PollIntervalMs = asked
			var at []time.Time
			s.polled = func(n int, task *mcpwire.Task) {
				if at = append(at, time.Now()); n == 3 {
					complete(task)
				}
			}
			client, server := mcp.NewInMemoryTransports()
			served, err := s.Connect(t.Context(), server, nil)
			if err != nil {
				t.Fatal(err)
			}
			session, err := mcpclient.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), client, nil)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil {
				t.Fatal(err)
			}
			if at[0].Sub(begun) != want || at[1].Sub(at[0]) != want {
				t.Errorf("asked for %d ms: %s, %s; want %s", asked, at[0].Sub(begun), at[1].Sub(at[0]), want)
			}
			_ = session.Close()
			_ = served.Wait()
		})
	}
}

func ask(task *mcpwire.Task, keys ...string) {
	task.Status = mcptasks.StatusInputRequired
	task.InputRequests = make(map[string]mcpwire.InputRequest)
	for _, key := range keys {
		task.InputRequests[key] = mcpwire.InputRequest{Method: mcptasks.MethodElicit, Params: json.RawMessage(
			`{"mode":"form","message":"` + key + `","requestedSchema":{"type":"object","properties":{"n":{"type":"integer","default":3}}}}`)}
	}
}

// asking returns a server whose task asks, and completes when all questions are answered.
func asking(keys ...string) *server {
	s := newServer()
	s.task.PollIntervalMs = 1
	ask(&s.task, keys...)
	s.answered = func(task *mcpwire.Task, key, _ string) error {
		if delete(task.InputRequests, key); len(task.InputRequests) == 0 {
			complete(task)
		}
		return nil
	}
	return s
}

// A handler is called once for a question, however many polls show it. The handlers of two
// questions run concurrently, and one answer does not wait for the other.
func TestQuestions(t *testing.T) {
	t.Parallel()
	for name := range wires {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asking("a", "b")
			s.task.InputRequests["b"] = mcpwire.InputRequest{Method: mcptasks.MethodSample, Params: json.RawMessage(
				`{"maxTokens":5,"messages":[{"role":"user","content":{"type":"text","text":"two?"}}]}`)}
			polls, answered := make(chan int, 100), make(chan string, 2)
			s.polled = func(n int, _ *mcpwire.Task) { polls <- n }
			done := s.answered
			s.answered = func(task *mcpwire.Task, key, response string) error {
				answered <- key + response
				return done(task, key, response)
			}
			var elicited, sampled atomic.Int32
			bothAsked := make(chan struct{})
			session := connect(t, wires[name](t, s), &mcp.ClientOptions{
				ElicitationHandler: func(ctx context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					if elicited.Add(1); req.Params.Message != "a" || req.Session == nil {
						t.Errorf("asked %+v", req.Params)
					}
					<-bothAsked
					for n := 0; n < 3; {
						n = receive(t, polls)
					}
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
				},
				CreateMessageHandler: func(ctx context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) { //nolint:staticcheck // deprecated, and in force
					sampled.Add(1)
					close(bothAsked)
					return &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "yes"}}, nil //nolint:staticcheck // deprecated, and in force
				},
			})
			result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
			if err != nil || textOf(result) != "done" || elicited.Load() != 1 || sampled.Load() != 1 {
				t.Errorf("%+v, %v; asked %d and %d times", result, err, elicited.Load(), sampled.Load())
			}
			if first := receive(t, answered); !strings.HasPrefix(first, `b{`) || !strings.Contains(first, `"model":"m"`) {
				t.Errorf("first answer %s", first)
			}
			if second := receive(t, answered); !strings.HasPrefix(second, `a{`) || !strings.Contains(second, `"n":3`) { // the schema's default
				t.Errorf("second answer %s", second)
			}
		})
	}
}

// If somebody else answers, the handler's context ends and its answer is not sent.
func TestQuestionAnsweredElsewhere(t *testing.T) {
	t.Parallel()
	s := asking("a")
	s.answered = func(*mcpwire.Task, string, string) error {
		t.Error("an answer was sent")
		return nil
	}
	at := make(chan struct{})
	ended := make(chan struct{})
	s.polled = func(_ int, task *mcpwire.Task) {
		select {
		case <-at:
			task.InputRequests, task.Status = nil, mcptasks.StatusWorking
		default:
		}
		select {
		case <-ended:
			complete(task)
		default:
		}
	}
	session := connect(t, wires["sse"](t, s), &mcp.ClientOptions{
		ElicitationHandler: func(ctx context.Context, _ *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			close(at)
			<-ctx.Done()
			close(ended)
			return &mcp.ElicitResult{Action: "decline"}, nil
		},
	})
	if result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"}); err != nil || textOf(result) != "done" {
		t.Errorf("%+v, %v", result, err)
	}
}

// If a question is still open after its answer was acknowledged, the answer is sent again.
// The handler is not called again.
func TestAnswerIsSentAgain(t *testing.T) {
	t.Parallel()
	s := asking("a")
	sent := 0
	s.answered = func(task *mcpwire.Task, _, _ string) error {
		if sent++; sent == 3 {
			complete(task)
		}
		return nil
	}
	asked := 0
	session := connect(t, wires["json"](t, s), &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			asked++
			return &mcp.ElicitResult{Action: "decline"}, nil
		},
	})
	if _, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"}); err != nil || asked != 1 {
		t.Errorf("%v after %d questions", err, asked)
	}
}

func TestQuestionsThatFail(t *testing.T) {
	t.Parallel()
	broken := errors.New("the terminal is gone")
	answer := func(result *mcp.ElicitResult, err error) *mcp.ClientOptions {
		return &mcp.ClientOptions{ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) { return result, err }}
	}
	accept := answer(&mcp.ElicitResult{Action: "accept", Content: map[string]any{"n": 1}}, nil)
	for name, test := range map[string]struct {
		opts   *mcp.ClientOptions
		change func(*server)
		want   string
	}{
		"no handler":       {nil, nil, "does not support elicitation"},
		"handler's error":  {answer(nil, broken), nil, broken.Error()},
		"not the schema's": {answer(&mcp.ElicitResult{Action: "accept", Content: map[string]any{"n": "x"}}, nil), nil, "schema"},
		"rejected": {accept, func(s *server) {
			s.answered = func(*mcpwire.Task, string, string) error {
				return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "n is too small"}
			}
		}, "n is too small"},
		"unknown method": {accept, func(s *server) { s.task.InputRequests["a"] = mcpwire.InputRequest{Method: "roots/list"} }, "roots/list"},
		"no question":    {accept, func(s *server) { s.task.InputRequests["a"] = mcpwire.InputRequest{} }, "unsupported"},
		"malformed request": {accept, func(s *server) {
			s.task.InputRequests["a"] = mcpwire.InputRequest{Method: mcptasks.MethodElicit, Params: json.RawMessage(`[1]`)}
		}, "unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asking("a")
			if test.change != nil {
				test.change(s)
			}
			_, err := connect(t, wires["sse"](t, s), test.opts).CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
			var e *mcptasks.Error
			if !errors.As(err, &e) || e.TaskID != taskID || !strings.Contains(err.Error(), test.want) || errors.Is(err, mcptasks.ErrNotFound) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if len(s.cancelled) != 0 {
				t.Error("the task was cancelled: Resume could not go on")
			}
		})
	}
}

// flaky lets the first requests of a method fail, each as its failure says.
type flaky struct {
	next     http.Handler
	method   string
	failures []func(http.ResponseWriter)

	mu   sync.Mutex
	seen int
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Header.Get("Mcp-Method") == f.method {
		f.mu.Lock()
		n := f.seen
		f.seen++
		f.mu.Unlock()
		if n < len(f.failures) {
			f.failures[n](w)
			return
		}
	}
	f.next.ServeHTTP(w, req)
}

func (f *flaky) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// cutOff closes the connection in the middle of the response.
func cutOff(contentType, begin string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, begin)
		must(http.NewResponseController(w).Flush())
		panic(http.ErrAbortHandler)
	}
}

func TestTransientErrors(t *testing.T) {
	t.Parallel()
	for name, failures := range map[string][]func(http.ResponseWriter){
		"statuses": {status(502), status(503), status(504), status(429)},
		"500":      {status(500), status(500)},
		"reset":    {reset, reset},
		"cut off":  {cutOff("application/json", `{"jsonrpc":"2.0","id":`), cutOff("text/event-stream", "data: {\n")},
		"internal error": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"internal error"}}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			s.task.PollIntervalMs = 1
			s.polled = func(n int, task *mcpwire.Task) { complete(task) }
			inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, &mcp.StreamableHTTPOptions{Stateless: true})
			way := &flaky{next: inner, method: mcpwire.MethodGet, failures: failures}
			result, err := connect(t, at(t, way), nil).CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
			if err != nil || textOf(result) != "done" || way.count() <= len(failures) {
				t.Errorf("%+v, %v after %d polls", result, err, way.count())
			}
		})
	}
}

// A call that may have reached the server is not repeated, nor one that it rejected.
func TestPermanentErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method  string
		failure func(http.ResponseWriter)
		want    string
	}{
		"the call": {mcpwire.MethodCall, reset, "EOF"},
		"503":      {mcpwire.MethodCall, status(503), "503"},
		"401":      {mcpwire.MethodGet, status(401), "401"},
		"404":      {mcpwire.MethodGet, status(404), "404"},
		"an error": {mcpwire.MethodGet, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":3,"error":{"code":-32020,"message":"wrong name"}}`)
		}, "wrong name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			s.task.PollIntervalMs = 1
			inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, &mcp.StreamableHTTPOptions{Stateless: true})
			way := &flaky{next: inner, method: test.method, failures: []func(http.ResponseWriter){test.failure}}
			_, err := connect(t, at(t, way), nil).CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
			var e *mcptasks.Error
			if !errors.As(err, &e) || (e.TaskID == taskID) != (test.method == mcpwire.MethodGet) || !strings.Contains(err.Error(), test.want) || way.count() != 1 {
				t.Errorf("error %v after %d requests", err, way.count())
			}
		})
	}
}

// If a transport without a second connection is lost, the error has the task's id. Close
// ends a call that follows a task.
func TestSessionGone(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.task.PollIntervalMs = 1
	client, server := mcp.NewInMemoryTransports()
	served, err := s.Connect(t.Context(), server, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.polled = func(n int, _ *mcpwire.Task) {
		if n == 2 {
			go served.Close()
		}
	}
	session := connect(t, client, nil)
	_, err = session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
	var e *mcptasks.Error
	if !errors.As(err, &e) || e.TaskID != taskID || e.Hint == "" || !errors.Is(err, mcp.ErrConnectionClosed) {
		t.Errorf("error %v", err)
	}

	s = newServer()
	s.task.PollIntervalMs = 1
	session = connect(t, wires["sse"](t, s), nil)
	s.polled = func(n int, _ *mcpwire.Task) {
		if n == 2 {
			go session.Close()
		}
	}
	_, err = session.CallTool(patient(t), &mcp.CallToolParams{Name: "report"})
	if !errors.As(err, &e) || e.TaskID != taskID || !errors.Is(err, mcp.ErrConnectionClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := session.Get(patient(t), taskID); !errors.Is(err, mcp.ErrConnectionClosed) {
		t.Errorf("after Close: %v", err)
	}
}
