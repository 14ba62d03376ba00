package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/command"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

const (
	envProgram = "MCPTASKS_COMMAND_PROGRAM" // set in a child process, which runs Main
	envHold    = "MCPTASKS_COMMAND_HOLD"    // URL that the tool hold requests, and waits for

	patience = time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(envProgram) != "" {
		command.Main(newTools(), options)
	}
	_ = os.Unsetenv("DATABASE_URL") // from the environment of the tests
	os.Exit(m.Run())
}

var options = &command.Options{Name: "reports", Version: "v1.2.3"}

type noArgs struct{}

// newTools returns tools that end in different ways.
func newTools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	add := func(name, queue string, handle mcptasks.Handler[noArgs, any]) {
		mcptasks.AddTool(tools, &mcp.Tool{Name: name}, handle, &mcptasks.ToolOptions{Queue: queue})
	}
	add("report", "reports", func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		text, err := mcptasks.Step(ctx, run, "fetch", func(context.Context) (string, error) { return "tides", nil })
		run.Progress(1, 1, "fetched")
		return nil, map[string]string{"text": text}, err
	})
	add("pay", "default", func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		answer, err := run.Elicit(ctx, "approve", &mcp.ElicitParams{Message: "Pay?", RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"approved": map[string]any{"type": "boolean"}}, "required": []string{"approved"},
		}})
		if err != nil {
			return nil, nil, err
		}
		return nil, answer, nil
	})
	add("break", "default", func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return nil, nil, &jsonrpc.Error{Code: -32000, Message: "the disk \x1b[31mis full"}
	})
	add("hold", "default", func(ctx context.Context, _ *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv(envHold), nil)
		if err != nil {
			return nil, nil, err
		}
		response, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, nil, err
		}
		return nil, map[string]int{"status": response.StatusCode}, response.Body.Close()
	})
	return tools
}

// outcome is the outcome of a command line.
type outcome struct {
	out, err string // what was printed
	code     int
	failure  error
}

// run runs a command line in this process.
func run(t *testing.T, url string, args ...string) outcome {
	t.Helper()
	return runWith(t, t.Context(), newTools(), url, nil, args...)
}

func runWith(t *testing.T, ctx context.Context, tools *mcptasks.Tools, url string, in io.Reader, args ...string) outcome {
	t.Helper()
	root := command.New(tools, options)
	var out, stderr bytes.Buffer
	root.SetIn(in)
	root.SetOut(&out)
	root.SetErr(&stderr)
	if url != "" {
		args = append(args, "--database", url)
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return outcome{out.String(), stderr.String(), command.ExitCode(err), err}
}

// ok runs a command line that must succeed, and returns its output.
func ok(t *testing.T, url string, args ...string) string {
	t.Helper()
	got := run(t, url, args...)
	if got.failure != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), got.failure, got.err)
	}
	return got.out
}

// decode runs a command line with -o json that must succeed, and decodes its output.
func decode[T any](t *testing.T, url string, args ...string) (value T) {
	t.Helper()
	out := ok(t, url, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		t.Fatalf("%s: %v in\n%s", strings.Join(args, " "), err, out)
	}
	return value
}

// database is a file with one task in each state.
type database struct {
	url                                           string
	working, parked, completed, failed, cancelled string // tasks' ids
}

// template is made once. Each test's database is a copy.
var template struct {
	sync.Once
	database
	file []byte
}

func newDatabase(t *testing.T) database {
	t.Helper()
	template.Do(func() {
		path := filepath.Join(t.TempDir(), "tasks.db")
		template.database = fill(t, "sqlite:"+path)
		var err error
		if template.file, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	})
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := os.WriteFile(path, template.file, 0o600); err != nil {
		t.Fatal(err)
	}
	d := template.database
	d.url = "sqlite:" + path
	return d
}

func fill(t *testing.T, url string) database {
	t.Helper()
	d := database{url: url}
	node := open(t, url)
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.parked, d.completed, d.failed = create(t, node, "alice", "pay"), create(t, node, "alice", "report"), create(t, node, "bob", "break")
	await(t, node, d.parked, mcptasks.StatusInputRequired)
	await(t, node, d.completed, mcptasks.StatusCompleted)
	await(t, node, d.failed, mcptasks.StatusFailed)
	if err := node.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.working, d.cancelled = create(t, node, "", "report"), create(t, node, "", "hold")
	if _, err := node.Cancel(t.Context(), "", d.cancelled); err != nil {
		t.Fatal(err)
	}
	if err := node.Close(); err != nil { // writes the WAL back into the file
		t.Fatal(err)
	}
	return d
}

func open(t *testing.T, url string) *runner.Node {
	t.Helper()
	node, err := runner.Open(t.Context(), url, newTools(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	return node
}

func create(t *testing.T, node *runner.Node, owner mcptasks.Owner, tool string) string {
	t.Helper()
	task, err := node.Create(t.Context(), owner, mcptasks.CreateParams{Tool: tool})
	if err != nil {
		t.Fatal(err)
	}
	return task.ID
}

// await waits until the task has the status.
func await(t *testing.T, node *runner.Node, id string, want mcptasks.Status) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for task, err := range node.Operator().Watch(ctx, id) {
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if task.Status == want {
			return
		}
	}
	t.Fatal(errors.New("the task ended otherwise than " + string(want)))
}
