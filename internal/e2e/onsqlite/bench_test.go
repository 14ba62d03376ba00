package onsqlite

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// BenchmarkCancel measures a cancel to the end of the handler's context in the same
// process.
func BenchmarkCancel(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		began, ended := make(chan struct{}), make(chan time.Time)
		tools := tools(func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			began <- struct{}{}
			<-ctx.Done()
			ended <- time.Now()
			return nil, nil, ctx.Err()
		})
		url := "sqlite:" + filepath.Join(b.TempDir(), "tasks.db")
		node, err := runner.Open(b.Context(), url, tools, &runner.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { node.Close() })
		if err := node.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		var took []time.Duration
		for b.Loop() {
			task, err := node.Create(b.Context(), "", mcptasks.CreateParams{Tool: "tool"})
			if err != nil {
				b.Fatal(err)
			}
			<-began
			start := time.Now()
			if _, err := node.Cancel(b.Context(), "", task.ID); err != nil {
				b.Fatal(err)
			}
			took = append(took, (<-ended).Sub(start))
		}
		slices.Sort(took)
		for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
			b.ReportMetric(float64(took[int(q*float64(len(took)-1))])/float64(time.Millisecond), name)
		}
	})
}
