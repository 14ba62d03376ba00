package docs_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A newcomer saves the program that README.md shows, serves it, calls its tool, and
// looks at the tasks.
func TestReadme(t *testing.T) {
	dir := t.TempDir()
	hello := filepath.Join(dir, "hello")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", hello, "./hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	env := append(os.Environ(), "DATABASE_URL=sqlite:"+filepath.Join(dir, "tasks.db"))

	server := exec.CommandContext(t.Context(), hello, "serve", "--migrate", "--addr", "127.0.0.1:0")
	server.Env = env
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = time.Minute
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))

	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"}}}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(call))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"*/*"}} // as curl
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(answer), `"structuredContent":{"greeting":"Hello, Ada"}`) {
		t.Errorf("the answer is %s (%v)", answer, err)
	}

	list := exec.CommandContext(t.Context(), hello, "tasks", "list")
	list.Env = env
	if tasks, err := list.CombinedOutput(); err != nil || !strings.Contains(string(tasks), "completed") {
		t.Errorf("the tasks are %s (%v)", tasks, err)
	}
}

func TestReadmeIsShort(t *testing.T) {
	const most = 150
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(data), "\n"); lines > most {
		t.Errorf("README.md has %d lines; it may have %d", lines, most)
	}
}
