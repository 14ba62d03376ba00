package onpostgres

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpclient"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
)

// Set in a child that exports its spans: its name, which says what it does, the
// database, and the directory of the exports.
const (
	envTrace    = "MCPTASKS_E2E_TRACE"
	envTraceURL = "MCPTASKS_E2E_TRACE_URL"
	envTraceDir = "MCPTASKS_E2E_TRACE_DIR"
)

// exported is a span as a process exports it: a line of JSON.
type exported struct {
	Process, Name, Kind, Trace, ID, Parent string
	Links                                  []string
	Attributes                             map[string]string
	Status                                 string
}

// exporter appends spans to a file as they end, as OTLP would send them off.
type exporter struct {
	process string
	mu      sync.Mutex
	file    *os.File
}

func newExporter(dir, process string) (*exporter, error) {
	file, err := os.Create(filepath.Join(dir, process+".jsonl"))
	return &exporter{process: process, file: file}, err
}

func (e *exporter) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, span := range spans {
		line := exported{
			Process: e.process, Name: span.Name(), Kind: span.SpanKind().String(),
			Trace: span.SpanContext().TraceID().String(), ID: span.SpanContext().SpanID().String(),
			Attributes: make(map[string]string), Status: span.Status().Code.String(),
		}
		if parent := span.Parent(); parent.IsValid() {
			line.Parent = parent.SpanID().String()
		}
		for _, link := range span.Links() {
			line.Links = append(line.Links, link.SpanContext.SpanID().String())
		}
		for _, kv := range span.Attributes() {
			line.Attributes[string(kv.Key)] = kv.Value.String()
		}
		if err := json.NewEncoder(e.file).Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) Shutdown(context.Context) error { return e.file.Close() }

// traced is the tool of the traced processes: three steps, of which the process
// called killed gets no further than the first, and whose second fails once.
func traced(process string) mcptasks.Handler[struct{}, any] {
	return func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		for _, key := range []string{"first", "second", "third"} {
			_, err := mcptasks.Step(ctx, run, key, func(context.Context) (string, error) {
				if key == "second" && run.Attempt() == 1 {
					return "", errors.New("out of luck")
				}
				return process, nil
			})
			if err != nil {
				return nil, nil, err
			}
			if process == "killed" {
				fmt.Println("stepped")
				select {}
			}
		}
		return nil, map[string]any{"ended": true}, nil
	}
}

// traceUntilKilled is a traced child: "server" serves, the others work.
func traceUntilKilled(process string) {
	err := func() error {
		spans, err := newExporter(os.Getenv(envTraceDir), process)
		if err != nil {
			return err
		}
		provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
		handle := traced(process)
		if process == "server" {
			handle = nil
		}
		tools := mcptasks.NewTools()
		mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, handle, &mcptasks.ToolOptions{
			MaxAttempts: 2, Backoff: func(int) time.Duration { return 10 * time.Millisecond },
			PollInterval: 100 * time.Millisecond,
		})
		node, err := runner.Open(context.Background(), os.Getenv(envTraceURL), tools, &runner.Config{
			HeartbeatInterval: beat(), Logger: slog.New(slog.DiscardHandler), TracerProvider: provider,
		})
		if err != nil {
			return err
		}
		if process != "server" {
			if err := node.Start(context.Background()); err != nil {
				return err
			}
			fmt.Println("started")
			select {}
		}
		server := mcp.NewServer(&mcp.Implementation{Name: "traced", Version: "v1"}, nil)
		mcpserver.Mount(server, tools, node, &mcpserver.Options{TracerProvider: provider})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println("listening on http://" + listener.Addr().String())
		return http.Serve(listener, mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)) //nolint:gosec // of a test
	}()
	fmt.Println("failed", err)
	os.Exit(1)
}

// child starts a traced process, which ends with the test, and returns its output.
func child(t *testing.T, process, database, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
	cmd.Env = append(os.Environ(), envTrace+"="+process, envTraceURL+"="+database, envTraceDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // t.Context has ended, or it was killed
	return cmd, bufio.NewScanner(out)
}

// TestOneTrace calls a tool through one process; the second dies of a SIGKILL in the
// middle of the task, which the third recovers, fails once, and completes. What all of
// them export is one tree.
func TestOneTrace(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		database, dir := open(t), t.TempDir()
		_, lines := child(t, "server", database, dir)
		url := ""
		for url == "" && lines.Scan() {
			url, _ = strings.CutPrefix(lines.Text(), "listening on ")
		}
		killed, lines := child(t, "killed", database, dir)
		waitFor(t, lines, "started", 1)

		spans, err := newExporter(dir, "client")
		if err != nil {
			t.Fatal(err)
		}
		provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
		ctx, span := provider.Tracer("client").Start(t.Context(), "ask for a report")
		session, err := mcpclient.NewClient(&mcp.Implementation{Name: "client", Version: "v1"}, nil).
			Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		task, err := session.Start(ctx, &mcp.CallToolParams{Name: "tool"})
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, lines, "stepped", 1)
		_, lines = child(t, "survivor", database, dir)
		waitFor(t, lines, "started", 1)
		if err := killed.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, err = session.Resume(ctx, task.Task.ID)
		span.End()
		if err != nil {
			t.Fatal(err)
		}
		checkTree(t, task.Task.ID, readSpans(t, dir, 10))
	})
}

// readSpans returns what all processes have exported, when it is n spans: the last
// run's ends after its task.
func readSpans(t *testing.T, dir string, n int) (spans []exported) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) { // between two looks
		spans = nil
		files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(data)) {
				var span exported
				if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &span) == nil {
					spans = append(spans, span)
				}
			}
		}
		if len(spans) == n {
			return spans
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d spans were exported, want %d: %+v", len(spans), n, spans)
		}
	}
}

func checkTree(t *testing.T, taskID string, spans []exported) {
	t.Helper()
	byID := make(map[string]exported)
	find := func(process, name string, attributes ...string) exported {
		t.Helper()
		i := slices.IndexFunc(spans, func(s exported) bool {
			for pair := range slices.Chunk(attributes, 2) {
				if s.Attributes[pair[0]] != pair[1] {
					return false
				}
			}
			return s.Process == process && s.Name == name
		})
		if i < 0 {
			t.Fatalf("%s exported no span %q with %q: %+v", process, name, attributes, spans)
		}
		return spans[i]
	}
	var roots, orphans []string
	for _, s := range spans {
		byID[s.ID] = s
		if s.Trace != spans[0].Trace {
			t.Errorf("%s of %s is of another trace", s.Name, s.Process)
		}
	}
	for _, s := range spans {
		if s.Parent == "" {
			roots = append(roots, s.Name)
		} else if _, ok := byID[s.Parent]; !ok {
			orphans = append(orphans, s.Process+"'s "+s.Name)
		}
		for _, link := range s.Links {
			if _, ok := byID[link]; !ok {
				t.Errorf("%s of %s is linked to a span that nobody exported", s.Name, s.Process)
			}
		}
	}
	// The killed process's run never ended: its step is there, and its parent is not.
	if !slices.Equal(roots, []string{"ask for a report"}) || !slices.Equal(orphans, []string{"killed's step"}) {
		t.Errorf("roots %q, spans without a parent %q", roots, orphans)
	}

	call := find("server", "tools/call tool", "mcp.method.name", "tools/call", "gen_ai.tool.name", "tool", "gen_ai.operation.name", "execute_tool")
	create := find("server", "create tool", "mcptasks.task.id", taskID)
	recovery := find("survivor", "recover tool", "mcptasks.task.id", taskID)
	failed := find("survivor", "run tool", "mcptasks.task.id", taskID, "mcptasks.run.seq", "2", "mcptasks.attempt", "1", "mcptasks.outcome", "retried", "error.type", "tool_error")
	last := find("survivor", "run tool", "mcptasks.task.id", taskID, "mcptasks.run.seq", "3", "mcptasks.attempt", "2", "mcptasks.outcome", "completed")
	for _, edge := range []struct {
		child, parent exported
		kind          string
	}{
		{call, find("client", "ask for a report"), "server"},
		{create, call, "producer"},
		{recovery, create, "producer"},
		{failed, create, "consumer"},
		{last, create, "consumer"},
		{find("survivor", "step", "mcptasks.step.key", "second"), failed, "internal"},
		{find("survivor", "step", "mcptasks.step.key", "third"), last, "internal"},
	} {
		if edge.child.Parent != edge.parent.ID || edge.child.Kind != edge.kind {
			t.Errorf("%s, a %s span, is under %q, want %s", edge.child.Name, edge.child.Kind, byID[edge.child.Parent].Name, edge.parent.Name)
		}
	}
	find("killed", "step", "mcptasks.step.key", "first")
	if !slices.Equal(failed.Links, []string{recovery.ID}) || !slices.Equal(last.Links, []string{failed.ID}) {
		t.Errorf("the runs are linked to %q and %q, want the recovery and the failed run", failed.Links, last.Links)
	}
	node := last.Attributes["mcptasks.node"]
	if node == "" || recovery.Attributes["mcptasks.node"] != node || last.Attributes["mcptasks.job.id"] == "" || failed.Status != "Error" || last.Status != "Unset" {
		t.Errorf("attributes of the last runs: %+v and %+v", failed, last)
	}
}
