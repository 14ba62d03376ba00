// Command quickstart serves one durable tool. Kill it in mid-report, however hard,
// start it again, and ask for the same task: it goes on where it was.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/postgres" // databases that -db may name
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type Input struct {
	Topic string `json:"topic" jsonschema:"what to report on"`
	Steps int    `json:"steps,omitempty" jsonschema:"how many steps of a second each; 5 if omitted"`
}

type Output struct {
	Lines []string `json:"lines"`
}

// report runs again from the top after a crash. A step that was recorded is then
// not run again: Step returns what it returned the first time.
func report(ctx context.Context, run *mcptasks.Run, in Input) (*mcp.CallToolResult, Output, error) {
	var out Output
	steps := cmp.Or(in.Steps, 5)
	for i := 1; i <= steps; i++ {
		line, err := mcptasks.Step(ctx, run, fmt.Sprintf("step %d", i), func(ctx context.Context) (string, error) {
			log.Printf("process %d runs step %d of task %s", os.Getpid(), i, run.TaskID())
			select {
			case <-time.After(time.Second): // your work here
				return fmt.Sprintf("step %d on %s: done at %s by process %d", i, in.Topic, time.Now().Format(time.TimeOnly), os.Getpid()), nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		})
		if err != nil {
			return nil, out, err
		}
		out.Lines = append(out.Lines, line)
		run.Progress(float64(i), float64(steps), fmt.Sprintf("%d of %d steps done", i, steps))
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: strings.Join(out.Lines, "\n")}}}, out, nil
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on; port 0 takes a free one")
	db := flag.String("db", cmp.Or(os.Getenv("DATABASE_URL"), "sqlite:quickstart.db"), "where tasks are kept: sqlite:path or postgres://…")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *addr, *db); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, addr, db string) error {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report", Description: "Writes a report, a line a second"}, report, nil)
	node, err := runner.Open(ctx, db, tools, &runner.Config{Migrate: true})
	if err != nil {
		return err
	}
	defer node.Close() // lets running tasks end, then closes the database
	server := mcp.NewServer(&mcp.Implementation{Name: "quickstart", Version: "v0.1.0"}, nil)
	mcpserver.Mount(server, tools, node, nil)
	if err := node.Start(ctx); err != nil { // work in this process too
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	httpServer := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = httpServer.Shutdown(context.Background()) })
	fmt.Printf("listening on http://%s/mcp\n%s", listener.Addr(), "")
	if err := httpServer.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
