package ops_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/ops"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type order struct {
	Item string `json:"item"`
}

func shopTools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ship"}, func(_ context.Context, _ *mcptasks.Run, in order) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "shipped a " + in.Item}}}, nil, nil
	}, nil)
	return tools
}

// A load balancer sends no requests to a node that is not ready. A node that drains is not,
// but the process lives: it must not be restarted.
func ExampleHandler() {
	ctx := context.Background()
	node, err := runner.Open(ctx, "sqlite::memory:", shopTools(), &runner.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the handler logs each change
	handler := ops.Handler(node, nil)
	probe := func(path string) {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(path, " ", response.Code, " ", response.Body)
	}

	if err := node.Start(ctx); err != nil {
		log.Fatal(err)
	}
	probe("/readyz")
	if err := node.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	probe("/readyz")
	probe("/healthz")
	// Output:
	// /readyz 200 ready
	// /readyz 503 not ready: the node is stopping
	// /healthz 200 alive
}

// The exporter of a node measures its tasks, for Prometheus to scrape.
func ExampleMetrics() {
	ctx := context.Background()
	exporter, err := ops.Metrics()
	if err != nil {
		log.Fatal(err)
	}
	defer exporter.Close()
	node, err := runner.Open(ctx, "sqlite::memory:", shopTools(), &runner.Config{
		MeterProvider: exporter.MeterProvider(),
		Logger:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	for _, arguments := range []string{`{"item":"kettle"}`, `{"item":"lamp"}`} {
		if _, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "ship", Arguments: json.RawMessage(arguments)}); err != nil {
			log.Fatal(err)
		}
	}

	scrape := httptest.NewRecorder()
	ops.Handler(node, exporter).ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(scrape.Body.String()) {
		if strings.HasPrefix(line, "mcptasks_task_creates") {
			fmt.Print(line)
		}
	}
	// Output:
	// mcptasks_task_creates_total{queue="default",tool="ship"} 2
}
