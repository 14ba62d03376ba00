package onpostgres

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpclient"
)

// TestTwoProcesses makes a hundred tasks through one process and polls them through
// another: both share the work.
func TestTwoProcesses(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		binary := filepath.Join(t.TempDir(), "quickstart")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/mcptasks/mcptasks/examples/quickstart").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		database := open(t)
		first, second := connect(t, quickstart(t, binary, database)), connect(t, quickstart(t, binary, database))

		const tasks = 100
		ids := make([]string, tasks)
		for i := range ids {
			started, err := first.Start(ctx, &mcp.CallToolParams{Name: "report", Arguments: map[string]any{"topic": "tides", "steps": 1}})
			if err != nil {
				t.Fatal(err)
			}
			ids[i] = started.Task.ID
		}

		var mu sync.Mutex
		by := make(map[string]int)
		var polls sync.WaitGroup
		for _, id := range ids {
			polls.Go(func() {
				process := workedBy(ctx, t, second, id)
				mu.Lock()
				defer mu.Unlock()
				by[process]++
			})
		}
		polls.Wait()
		if len(by) != 2 {
			t.Fatalf("tasks by process: %v", by)
		}
		for process, n := range by {
			if n < tasks/10 {
				t.Errorf("process %s ran %d of %d tasks: %v", process, n, tasks, by)
			}
		}
	})
}

// quickstart runs the example until the test ends and returns its endpoint.
func quickstart(t *testing.T, binary, database string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "-addr", "127.0.0.1:0", "-db", database)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // t.Context has ended: it is killed
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			return url
		}
	}
	t.Fatal("the process ended before it listened")
	return ""
}

func connect(t *testing.T, url string) *mcpclient.Session {
	t.Helper()
	client := mcpclient.NewClient(&mcp.Implementation{Name: "e2e", Version: "v1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

var byProcess = regexp.MustCompile(`by process (\d+)`)

// workedBy polls the task until it has ended and returns which process ran its step.
func workedBy(ctx context.Context, t *testing.T, session *mcpclient.Session, id string) string {
	for {
		task, err := session.Get(ctx, id)
		if err != nil {
			t.Error(err)
			return ""
		}
		if task.Status.Terminal() {
			found := byProcess.FindSubmatch(task.Result)
			if task.Status != mcptasks.StatusCompleted || found == nil {
				t.Errorf("task %s is %s: %s", id, task.Status, task.Result)
				return ""
			}
			return string(found[1])
		}
		select {
		case <-time.After(100 * time.Millisecond): // a client's poll interval
		case <-ctx.Done():
			t.Errorf("task %s is still %s", id, task.Status)
			return ""
		}
	}
}
