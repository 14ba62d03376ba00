package mcpserver_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/toolcall"
	"github.com/mcptasks/mcptasks/mcpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC)

// A fakeRunner has its tasks in memory and records its calls. It runs a task while it is
// watched.
type fakeRunner struct {
	fail      error                                                               // if set, every method returns it
	failWatch error                                                               // if set, Watch yields it after the task
	work      func(context.Context, mcptasks.CreateParams, int) *mcptasks.Outcome // nil: a run never ends
	late      *mcptasks.Outcome                                                   // if set, a task has finished with it before Cancel is called

	idle bool // created tasks are not run

	watching  chan struct{} // receives when a task that never ends is watched
	cancelled chan string   // receives the id of each task that is cancelled
	begun     chan string   // receives the id of each watched task, unless it is full
	left      chan string   // receives the id of a task that is not run when a watch of it ends early
	answered  chan string   // receives the id of each task whose question is answered

	mu     sync.Mutex
	moved  chan struct{} // closed when a task that is not run changes
	tasks  map[string]*mcptasks.Task
	params map[string]mcptasks.CreateParams
	calls  []string
}

func newFakeRunner() *fakeRunner {
	return &fakeRunner{
		watching:  make(chan struct{}, 16),
		cancelled: make(chan string, 16),
		begun:     make(chan string, 16),
		left:      make(chan string, 4096),
		answered:  make(chan string, 16),
		moved:     make(chan struct{}),
		tasks:     make(map[string]*mcptasks.Task),
		params:    make(map[string]mcptasks.CreateParams),
	}
}

func (f *fakeRunner) add(task mcptasks.Task) {
	task.Tool = "add"
	task.TTL = cmp.Or(task.TTL, 24*time.Hour)
	task.PollInterval = cmp.Or(task.PollInterval, time.Second)
	task.CreatedAt = noon
	task.UpdatedAt = noon.Add(1500 * time.Millisecond)
	f.tasks[task.ID] = &task
}

func (f *fakeRunner) called(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// takeCalls returns the calls since the last takeCalls.
func (f *fakeRunner) takeCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fakeRunner) Create(_ context.Context, owner mcptasks.Owner, params mcptasks.CreateParams) (*mcptasks.Task, error) {
	ttl := ""
	if params.TTL != 0 {
		ttl = fmt.Sprintf(" for %s", params.TTL)
	}
	f.called("Create %q %s %s%s", owner, params.Tool, params.Arguments, ttl)
	if f.fail != nil {
		return nil, f.fail
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	task := &mcptasks.Task{
		ID: fmt.Sprintf("created-%d", len(f.params)+1), Owner: owner, Tool: params.Tool, Status: mcptasks.StatusWorking,
		TTL: 24 * time.Hour, PollInterval: time.Second, CreatedAt: noon, UpdatedAt: noon,
	}
	if params.TTL > 0 {
		task.TTL = min(task.TTL, params.TTL)
	}
	f.tasks[task.ID], f.params[task.ID] = task, params
	return clone(task), nil
}

func (f *fakeRunner) find(op string, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	task, ok := f.tasks[id]
	if !ok || task.Owner != owner {
		return nil, &mcptasks.Error{Op: op, TaskID: id, Err: mcptasks.ErrNotFound, Hint: "for the operator only"}
	}
	return task, nil
}

func (f *fakeRunner) Get(_ context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	f.called("Get %q %.20s", owner, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	task, err := f.find("get", owner, id)
	return clone(task), err
}

// List returns pages of two tasks.
func (f *fakeRunner) List(_ context.Context, owner mcptasks.Owner, cursor string, limit int) (*mcptasks.Page, error) {
	f.called("List %q %q %d", owner, cursor, limit)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	page, after := &mcptasks.Page{}, strings.TrimPrefix(cursor, "after ")
	if cursor != "" && after == cursor {
		return nil, &mcptasks.Error{Op: "list", Err: fmt.Errorf("%w: unknown cursor", mcptasks.ErrInvalid)}
	}
	for _, id := range slices.Sorted(maps.Keys(f.tasks)) {
		if task := f.tasks[id]; task.Owner != owner || id <= after {
			continue
		}
		if len(page.Tasks) == 2 {
			page.Next = "after " + page.Tasks[1].ID
			break
		}
		task := clone(f.tasks[id])
		if task.Questions = nil; task.Outcome != nil {
			task.Outcome = &mcptasks.Outcome{IsError: task.Outcome.IsError}
		}
		page.Tasks = append(page.Tasks, task)
	}
	return page, nil
}

func (f *fakeRunner) Answer(_ context.Context, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) error {
	answers, _ := json.Marshal(responses)
	f.called("Answer %q %.20s %s", owner, id, answers)
	f.mu.Lock()
	defer f.mu.Unlock()
	task, err := f.find("answer", owner, id)
	if err != nil {
		return err
	}
	open, answered := maps.Clone(task.Questions), false
	for key, response := range responses {
		question, ok := open[key]
		if !ok {
			continue
		}
		if err := question.Check(response); err != nil {
			return &mcptasks.Error{Op: "answer", TaskID: id, Err: fmt.Errorf("%w: %w", mcptasks.ErrInvalid, err)}
		}
		delete(open, key)
		answered = true
		task.StatusMessage = fmt.Sprintf("%s: %s", key, response)
	}
	if answered {
		if task.Questions = open; len(open) == 0 {
			task.Status = mcptasks.StatusWorking
		}
		f.changed(task)
		f.answered <- id
	}
	return nil
}

func (f *fakeRunner) Cancel(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	f.called("Cancel %q %.20s", owner, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	task, err := f.find("cancel", owner, id)
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case f.late != nil:
		end(task, f.late)
	}
	if task.Status.Terminal() {
		return clone(task), &mcptasks.Error{Op: "cancel", TaskID: id, Err: mcptasks.ErrTerminal}
	}
	end(task, nil)
	f.cancelled <- id
	close(f.moved)
	f.moved = make(chan struct{})
	return clone(task), nil
}

func (f *fakeRunner) Watch(ctx context.Context, owner mcptasks.Owner, id string) iter.Seq2[*mcptasks.Task, error] {
	f.called("Watch %q %.20s", owner, id)
	return func(yield func(*mcptasks.Task, error) bool) {
		select {
		case f.begun <- id:
		default:
		}
		f.mu.Lock()
		task, err := f.find("watch", owner, id)
		params, worked := f.params[id]
		now, moved := clone(task), f.moved
		f.mu.Unlock()
		switch {
		case !yield(now, err) || err != nil:
		case f.failWatch != nil:
			yield(nil, f.failWatch)
		case !worked || f.idle || now.Status.Terminal():
			if worked && f.idle {
				select {
				case f.watching <- struct{}{}:
				default:
				}
			}
			for !now.Status.Terminal() {
				select {
				case <-moved:
				case <-ctx.Done():
					yield(nil, ctx.Err())
					f.left <- id
					return
				}
				seen := now
				f.mu.Lock()
				now, moved = clone(task), f.moved
				f.mu.Unlock()
				if !seen.UpdatedAt.Equal(now.UpdatedAt) || seen.Status != now.Status {
					if !yield(now, nil) {
						return
					}
				}
			}
		case f.work == nil:
			f.watching <- struct{}{}
			<-ctx.Done()
			yield(nil, ctx.Err())
		default:
			outcome := f.work(ctx, params, 1)
			f.mu.Lock()
			end(task, outcome)
			now = clone(task)
			f.mu.Unlock()
			yield(now, nil)
		}
	}
}

func clone(task *mcptasks.Task) *mcptasks.Task {
	if task == nil {
		return nil
	}
	c := *task
	return &c
}

// end finishes the task with the outcome. A nil outcome is a cancellation.
func end(task *mcptasks.Task, outcome *mcptasks.Outcome) {
	task.Outcome, task.Status, task.Questions = outcome, mcptasks.StatusCancelled, nil
	if outcome != nil {
		task.Status = outcome.Status()
	}
}

// worker returns a work function that runs the tools as a real worker does.
func worker(t *testing.T, tools *mcptasks.Tools) func(context.Context, mcptasks.CreateParams, int) *mcptasks.Outcome {
	t.Helper()
	caller, err := tools.Internal().NewCaller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	return func(ctx context.Context, params mcptasks.CreateParams, attempt int) *mcptasks.Outcome {
		verdict := caller.Call(ctx, toolcall.Call{TaskID: "task", Attempt: attempt, Tool: params.Tool, Arguments: params.Arguments})
		return (*mcptasks.Outcome)(verdict.Outcome)
	}
}

// A logBuffer is a slog destination that a test can read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func newServer() *mcp.Server {
	return mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
}

// serve serves until the test ends. Headers may be as long as a body.
func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.MaxHeaderBytes = 8 << 20
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// mounted serves the tools on a new server.
func mounted(t *testing.T, tools *mcptasks.Tools, runner mcptasks.Runner, opts *mcpserver.Options) *httptest.Server {
	t.Helper()
	server := newServer()
	mcpserver.Mount(server, tools, runner, opts)
	return serve(t, endpoint(server))
}

func endpoint(server *mcp.Server) http.Handler {
	return mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

// The _meta of clients.
const (
	declared = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"client","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`
	undeclared = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"client","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}`
	legacy = `"_meta":{"note":"the client speaks 2025-11-25"}`
	none   = `"_meta":{}`
)

// A request is sent by post, with the headers that its body requires.
type request struct {
	method, name string // name is the tool's or the task's
	meta         string // "" is declared
	arguments    string // of a tools/call
	responses    string // of a tasks/update
	token        string // bearer token
	owner        string // X-Owner
}

func (r request) http(ctx context.Context, url string) *http.Request {
	meta := cmp.Or(r.meta, declared)
	params := fmt.Sprintf(`"taskId":%q`, r.name)
	switch {
	case r.method == "tools/call":
		params = fmt.Sprintf(`"name":%q,"arguments":%s`, r.name, cmp.Or(r.arguments, "{}"))
	case r.responses != "":
		params += `,"inputResponses":` + r.responses
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s,%s}}`, r.method, params, meta)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	if meta != legacy && meta != none {
		req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		req.Header.Set("Mcp-Method", r.method)
		req.Header.Set("Mcp-Name", r.name)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.owner != "" {
		req.Header.Set("X-Owner", r.owner)
	}
	return req
}

// An answer is a server's response. Its JSON-RPC message is read from the stream, if it was
// sent as one.
type answer struct {
	status  int
	message string
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

func post(t *testing.T, server *httptest.Server, r request) answer {
	t.Helper()
	res, err := server.Client().Do(r.http(t.Context(), server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, message: strings.TrimSpace(string(body))}
	if _, data, ok := strings.Cut(a.message, "data: "); ok {
		a.message = data
	}
	if err := json.Unmarshal([]byte(a.message), &a); err != nil {
		t.Fatalf("%s %s: HTTP %d with %q: %v", r.method, r.name, a.status, body, err)
	}
	return a
}

// rejected fails the test unless the answer is this error.
func (a answer) rejected(t *testing.T, code int, message string) {
	t.Helper()
	if a.Error == nil || a.Error.Code != code || a.Error.Message != message {
		t.Errorf("answer %s, want error %d %q", a.message, code, message)
	}
}

func wantCalls(t *testing.T, runner *fakeRunner, want ...string) {
	t.Helper()
	if got := runner.takeCalls(); !slices.Equal(got, want) {
		t.Errorf("the runner was called with\n%q, want\n%q", got, want)
	}
}

type addArgs struct {
	A int `json:"a"`
	B int `json:"b,omitempty"`
}

type addResult struct {
	Sum int `json:"sum"`
}

func add(_ context.Context, _ *mcptasks.Run, in addArgs) (*mcp.CallToolResult, addResult, error) {
	return nil, addResult{in.A + in.B}, nil
}

// textTool adds a tool without arguments that returns a text.
func textTool(tools *mcptasks.Tools, name string, support mcptasks.TaskSupport) {
	mcptasks.AddTool(tools, &mcp.Tool{Name: name},
		func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			return text(name + " is done"), nil, nil
		}, &mcptasks.ToolOptions{TaskSupport: support})
}

func text(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

var errSecret = errors.New(`dial tcp 10.0.0.7:5432: password "hunter2" refused`)
