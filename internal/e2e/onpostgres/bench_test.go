package onpostgres

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// envCancel is set in a child: the database it works, saying when each run's
// context began and ended.
const envCancel = "MCPTASKS_E2E_CANCEL"

func workUntilCancelled(url string) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		fmt.Println("began", run.TaskID())
		<-ctx.Done()
		fmt.Println("ended", time.Now().UnixNano(), context.Cause(ctx))
		return nil, nil, ctx.Err()
	}, nil)
	node, err := runner.Open(context.Background(), url, tools, &runner.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = node.Start(context.Background())
	}
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	select {}
}

// BenchmarkCancel measures a cancel in this process to the end of the handler's
// context in another.
func BenchmarkCancel(b *testing.B) {
	b.Run("postgres", func(b *testing.B) {
		url := open(b)
		child := exec.CommandContext(b.Context(), os.Args[0]) //nolint:gosec // this test binary
		child.Env = append(os.Environ(), envCancel+"="+url)
		out, err := child.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := child.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = child.Wait() })
		lines := bufio.NewScanner(out)
		server := node(b, url, nil, nil, runner.Config{Logger: slog.New(slog.DiscardHandler)})
		next := func(word string) []string {
			if !lines.Scan() {
				b.Fatal("the process ended")
			}
			fields := strings.Fields(lines.Text())
			if fields[0] != word {
				b.Fatalf("the process said %q, not %s", lines.Text(), word)
			}
			return fields
		}
		var took []time.Duration
		for b.Loop() {
			id := create(b, server)
			next("began")
			start := time.Now()
			if _, err := server.Cancel(b.Context(), "", id); err != nil {
				b.Fatal(err)
			}
			nanos, err := strconv.ParseInt(next("ended")[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Unix(0, nanos).Sub(start))
		}
		reportQuantiles(b, took)
	})
}

func reportQuantiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	ms := func(q float64) float64 {
		return float64(took[int(q*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkParked parks tasks, measures what they hold, and how long an answer takes
// to its handler.
func BenchmarkParked(b *testing.B) {
	b.Run("postgres", func(b *testing.B) {
		const tasks = 10_000
		var mu sync.Mutex
		arrived := make(map[string]chan time.Time)
		ask := func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			answer, err := run.Elicit(ctx, "q", &mcp.ElicitParams{Message: "Well?", RequestedSchema: map[string]any{"type": "object"}})
			if err != nil {
				return nil, nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			arrived[run.TaskID()] <- time.Now()
			return nil, answer.Action, nil
		}
		url := open(b)
		before := memory()
		worker := node(b, url, ask, nil, runner.Config{Logger: slog.New(slog.DiscardHandler)})
		idle := runtime.NumGoroutine()
		ids := make([]string, tasks)
		var creators sync.WaitGroup
		for c := range 8 {
			creators.Go(func() {
				for i := c; i < tasks; i += 8 {
					ids[i] = create(b, worker)
				}
			})
		}
		creators.Wait()
		for _, id := range ids {
			for task, err := range worker.Watch(b.Context(), "", id) {
				if err != nil {
					b.Fatal(err)
				}
				if task.Status == mcptasks.StatusInputRequired {
					break
				}
			}
		}
		heap, goroutines := memory()-before, runtime.NumGoroutine()-idle

		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			id := ids[i%tasks]
			ch := make(chan time.Time, 1)
			mu.Lock()
			arrived[id] = ch
			mu.Unlock()
			start := time.Now()
			err := worker.Answer(b.Context(), "", id, map[string]json.RawMessage{"q": json.RawMessage(`{"action":"accept","content":{}}`)})
			if err != nil {
				b.Fatal(err)
			}
			took = append(took, (<-ch).Sub(start))
		}
		reportQuantiles(b, took)
		b.ReportMetric(float64(heap)/1e6, "heap-MB")
		b.ReportMetric(float64(goroutines), "goroutines")
	})
}

// memory is the heap in use after a collection.
func memory() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse) //nolint:gosec // not so large
}
