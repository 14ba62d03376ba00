package onsqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

const envDatabase = "MCPTASKS_E2E_WORK" // set in a child: the database it works until it is killed

func TestMain(m *testing.M) {
	if url := os.Getenv(envDatabase); url != "" {
		workUntilKilled(url)
	}
	os.Exit(m.Run())
}

// threeSteps is a tool whose every step says that it runs, and which ends its
// process in the middle of the second, the first time.
func threeSteps(ran chan<- string, second func()) *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "steps"}, func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		var lines []string
		for _, key := range []string{"one", "two", "three"} {
			line, err := mcptasks.Step(ctx, run, key, func(context.Context) (string, error) {
				ran <- key
				if key == "two" {
					second()
				}
				return fmt.Sprintf("%s by %d", key, os.Getpid()), nil
			})
			if err != nil {
				return nil, nil, err
			}
			lines = append(lines, line)
		}
		return nil, map[string]any{"lines": lines, "attempt": run.Attempt()}, nil
	}, nil)
	return tools
}

func workUntilKilled(url string) {
	ran := make(chan string)
	go func() {
		for key := range ran {
			fmt.Println("step", key)
		}
	}()
	node, err := runner.Open(context.Background(), url, threeSteps(ran, func() { select {} }), nil)
	if err == nil {
		err = node.Start(context.Background())
	}
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	select {}
}

// TestSIGKILL kills the process in the middle of a step: the task goes on in the
// next process, and the step that was recorded is not run again.
func TestSIGKILL(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		url := open(t)
		ran := make(chan string, 10)
		node, err := runner.Open(ctx, url, threeSteps(ran, func() {}), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "steps"})
		if err != nil {
			t.Fatal(err)
		}

		child := exec.CommandContext(ctx, os.Args[0]) //nolint:gosec // this test binary
		child.Env = append(os.Environ(), envDatabase+"="+url)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "step two"; {
			if strings.HasPrefix(lines.Text(), "failed") {
				t.Fatal(lines.Text())
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed

		if err := node.Start(ctx); err != nil {
			t.Fatal(err)
		}
		for now, err := range node.Watch(ctx, "", task.ID) {
			if err != nil {
				t.Fatal(err)
			}
			task = now
		}
		close(ran)
		if again := slices.Collect(values(ran)); !slices.Equal(again, []string{"two", "three"}) {
			t.Errorf("the second process ran %v", again)
		}
		result := string(task.Outcome.Result)
		if task.Status != mcptasks.StatusCompleted ||
			!strings.Contains(result, fmt.Sprintf("one by %d", child.Process.Pid)) ||
			!strings.Contains(result, fmt.Sprintf("two by %d", os.Getpid())) ||
			!strings.Contains(result, `"attempt":1`) {
			t.Errorf("ended %s with %s", task.Status, result)
		}
	})
}

func values[T any](ch <-chan T) func(func(T) bool) {
	return func(yield func(T) bool) {
		for v := range ch {
			if !yield(v) {
				return
			}
		}
	}
}
