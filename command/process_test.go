package command_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpclient"
)

// process is the program in a process of its own.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of both outputs
	seen  []string
	mu    sync.Mutex
	ended chan error
}

func startProcess(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), envProgram+"=1", "MCPTASKS_ADDR=127.0.0.1:0"), env...)
	p := &process{}
	p.start(t, cmd)
	return p
}

func (p *process) start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	p.cmd, p.lines, p.ended = cmd, make(chan string, 1000), make(chan error, 1)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			p.mu.Lock()
			p.seen = append(p.seen, lines.Text())
			p.mu.Unlock()
			p.lines <- lines.Text()
		}
	}()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		<-read
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-gone
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args, strings.Join(p.seen, "\n"))
		}
	})
}

// says waits for a line and returns what the pattern's group matched.
func (p *process) says(t *testing.T, pattern string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line := <-p.lines:
			if match := regexp.MustCompile(pattern).FindStringSubmatch(line); match != nil {
				return match[len(match)-1]
			}
		case <-deadline:
			t.Fatalf("the process did not say %q", pattern)
		}
	}
}

func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the process to end.
func (p *process) ends(t *testing.T, within time.Duration) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(within):
		p.signal(t, syscall.SIGQUIT) // prints its goroutines
		t.Fatalf("the process had not ended after %s: %v", within, <-p.ended)
		return nil
	}
}

// hold is the HTTP server that the tool hold requests. The tool waits for the response.
type hold struct {
	url    string
	asked  chan struct{}
	goOn   chan struct{}
	goOnce func()
}

func newHold(t *testing.T) *hold {
	h := &hold{asked: make(chan struct{}, 10), goOn: make(chan struct{})}
	h.goOnce = sync.OnceFunc(func() { close(h.goOn) })
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		h.asked <- struct{}{}
		select {
		case <-h.goOn:
		case <-req.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(h.goOnce)
	h.url = server.URL
	return h
}

func (h *hold) env() string { return envHold + "=" + h.url }

func (h *hold) awaitAsked(t *testing.T) {
	t.Helper()
	select {
	case <-h.asked:
	case <-time.After(patience):
		t.Fatal("the tool has not begun to run")
	}
}

// probe returns the status and the body of a GET.
func probe(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func awaitStatus(t *testing.T, url string, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // only the probe shows when another process is ready
		if status, _ := probe(t, url); status == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer %d", url, want)
		}
	}
}

func connect(t *testing.T, url string) *mcpclient.Session {
	t.Helper()
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// serving is a process that serves, with a task that holds.
type serving struct {
	*process
	*hold
	url, endpoint, ops, id string
	session                *mcpclient.Session
}

func serveHold(t *testing.T, args ...string) *serving {
	t.Helper()
	s := &serving{hold: newHold(t), url: "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")}
	s.process = startProcess(t, []string{s.env(), "DATABASE_URL=" + s.url}, append([]string{"serve", "--ops-addr", "127.0.0.1:0"}, args...)...)
	s.ops = "http://" + s.says(t, `health and metrics.* addr=(\S+)`)
	s.endpoint = s.says(t, `listening on (http://\S+)`)
	s.session = connect(t, s.endpoint)
	started, err := s.session.Start(t.Context(), &mcp.CallToolParams{Name: "hold"})
	if err != nil {
		t.Fatal(err)
	}
	s.id = started.Task.ID
	s.awaitAsked(t)
	return s
}

func (s *serving) status(t *testing.T) mcptasks.Status {
	t.Helper()
	return decode[task](t, s.url, "tasks", "show", s.id).Status
}

// TestDrain sends a signal to a process with a run. The process is no longer ready, still
// answers requests, and ends when the run has ended.
func TestDrain(t *testing.T) {
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveHold(t)
			beside := strings.TrimSuffix(s.endpoint, "/mcp")
			for _, url := range []string{s.ops + "/readyz", s.ops + "/healthz", beside + "/readyz", beside + "/healthz"} {
				if status, body := probe(t, url); status != http.StatusOK {
					t.Errorf("%s answers %d %s", url, status, body)
				}
			}
			if status, body := probe(t, s.ops+"/metrics"); status != http.StatusOK || !strings.Contains(body, `mcptasks_task_creates_total{`) || strings.Contains(body, s.id) {
				t.Errorf("/metrics answers %d\n%s", status, body)
			}
			if status, _ := probe(t, beside+"/metrics"); status != http.StatusNotFound {
				t.Errorf("clients are shown the figures: %d", status)
			}

			s.signal(t, signal)
			awaitStatus(t, s.ops+"/readyz", http.StatusServiceUnavailable)
			awaitStatus(t, beside+"/readyz", http.StatusServiceUnavailable)
			if got, err := s.session.Get(t.Context(), s.id); err != nil || got.Status != mcptasks.StatusWorking {
				t.Errorf("while it drains tasks/get answers %+v, %v", got, err)
			}
			s.goOnce()
			if err := s.ends(t, patience); err != nil {
				t.Errorf("the process ended with %v", err)
			}
			if status := s.status(t); status != mcptasks.StatusCompleted {
				t.Errorf("its task is %s", status)
			}
		})
	}
}

// TestGraceIsOver has a run that takes longer than the grace. Its task runs again at the
// next start.
func TestGraceIsOver(t *testing.T) {
	s := serveHold(t, "--grace", "100ms")
	s.signal(t, syscall.SIGTERM)
	if err := s.ends(t, 20*time.Second); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if status := s.status(t); status != mcptasks.StatusWorking {
		t.Fatalf("its task is %s", status)
	}
	s.goOnce()
	again := startProcess(t, []string{s.env(), "DATABASE_URL=" + s.url}, "work")
	again.says(t, "mcptasks: working")
	node := open(t, s.url)
	await(t, node, s.id, mcptasks.StatusCompleted)
	again.signal(t, syscall.SIGTERM)
	if err := again.ends(t, patience); err != nil {
		t.Errorf("work ended with %v", err)
	}
}

// TestSecondSignal sends a second signal during the grace, or right after the first.
func TestSecondSignal(t *testing.T) {
	for name, test := range map[string]struct {
		signal os.Signal
		code   int
		wait   bool
	}{
		"SIGINT": {os.Interrupt, 130, true}, "SIGTERM": {syscall.SIGTERM, 143, true}, "at once": {syscall.SIGTERM, 143, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveHold(t, "--grace", "10m")
			s.signal(t, os.Interrupt)
			if test.wait {
				awaitStatus(t, s.ops+"/readyz", http.StatusServiceUnavailable)
			}
			s.signal(t, test.signal)
			var exit *exec.ExitError
			if err := s.ends(t, 20*time.Second); !errors.As(err, &exit) || (exit.ExitCode() != test.code && test.wait) {
				t.Errorf("the process ended with %v, want %d", err, test.code)
			}
			if status := s.status(t); status != mcptasks.StatusWorking {
				t.Errorf("its task is %s", status)
			}
		})
	}
}

// TestStdio serves a client over the process's standard input and output. Nothing else may
// be on them.
func TestStdio(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--stdio", "--log-level", "debug", "--log-format", "json", "--audit")
	cmd.Env = append(os.Environ(), envProgram+"=1", "DATABASE_URL="+url)
	var log strings.Builder
	cmd.Stderr = &log
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "report"})
	if err != nil || result.IsError || !strings.Contains(result.Content[0].(*mcp.TextContent).Text, "tides") {
		t.Errorf("the call returned %+v, %v", result, err)
	}
	if err := session.Close(); err != nil { // closes the process's input and waits for the process
		t.Errorf("the process ended with %v", err)
	}
	audited := make(map[string]int)
	for line := range strings.Lines(log.String()) {
		var record struct{ Msg, Action, Tool string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("the log has a line that is no JSON: %s", line)
		}
		if record.Msg == "mcptasks: audit" && record.Tool == "report" {
			audited[record.Action]++
		}
	}
	if audited["create"] != 1 || audited["read"] == 0 {
		t.Errorf("audited: %v", audited)
	}
	if !strings.Contains(log.String(), "mcptasks: drained") {
		t.Errorf("it did not drain when its client had gone:\n%s", log.String())
	}
}

// TestStdioSignal sends a signal while the client is connected.
func TestStdioSignal(t *testing.T) {
	p := &process{}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--stdio")
	cmd.Env = append(os.Environ(), envProgram+"=1", "DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "tasks.db"))
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	p.start(t, cmd)
	p.says(t, "mcptasks: serving")
	p.signal(t, syscall.SIGTERM)
	if err := p.ends(t, 20*time.Second); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

// TestNoWork serves in one process and runs the tasks in another.
func TestNoWork(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	server := startProcess(t, []string{"DATABASE_URL=" + url}, "serve", "--no-work", "--audit", "--log-level", "error")
	session := connect(t, server.says(t, `listening on (http://\S+)`))
	started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"})
	if err != nil {
		t.Fatal(err)
	}
	server.says(t, "mcptasks: audit.* action=create .*"+started.Task.ID) // at every log level
	worker := startProcess(t, []string{"DATABASE_URL=" + url}, "work", "--queue", "reports")
	worker.says(t, "mcptasks: working")
	await(t, open(t, url), started.Task.ID, mcptasks.StatusCompleted)
	nodes := ok(t, url, "nodes")
	if !strings.Contains(nodes, "reports  report\n") {
		t.Errorf("the node works other queues too:\n%s", nodes)
	}
}

func TestAddressInUse(t *testing.T) {
	inUse := httptest.NewServer(http.NotFoundHandler())
	defer inUse.Close()
	url := "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	for _, args := range [][]string{
		{"serve", "--addr", inUse.Listener.Addr().String()},
		{"serve", "--addr", "127.0.0.1:0", "--ops-addr", inUse.Listener.Addr().String()},
	} {
		if got := run(t, url, args...); got.code != 1 || !strings.Contains(got.failure.Error(), "address already in use") {
			t.Errorf("%v: %d, %v", args, got.code, got.failure)
		}
	}
}
