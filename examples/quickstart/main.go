// Command quickstart serves one durable tool. Its tasks are in a SQLite file. Kill the
// program in the middle of a report and start it again: the same task goes on after its
// last recorded step.
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
	_ "github.com/mcptasks/mcptasks/store/postgres" // the databases that -db may name
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type input struct {
	Topic string `json:"topic" jsonschema:"what to report on"`
	Steps int    `json:"steps,omitempty" jsonschema:"how many steps, of a second each; 5 if omitted"`
}

// report runs again from the top if its process dies. Step then returns the recorded
// results of the steps that were done, and does not run them again.
func report(ctx context.Context, run *mcptasks.Run, in input) (*mcp.CallToolResult, any, error) {
	var lines []string
	steps := cmp.Or(in.Steps, 5)
	for i := 1; i <= steps; i++ {
		line, err := mcptasks.Step(ctx, run, fmt.Sprint("step ", i), func(ctx context.Context) (string, error) {
			log.Printf("process %d runs step %d of task %s", os.Getpid(), i, run.TaskID())
			select {
			case <-time.After(time.Second): // the work
			case <-ctx.Done():
				return "", ctx.Err()
			}
			return fmt.Sprintf("step %d on %s: done at %s by process %d", i, in.Topic, time.Now().Format(time.TimeOnly), os.Getpid()), nil
		})
		if err != nil {
			return nil, nil, err
		}
		lines = append(lines, line)
		run.Progress(float64(i), float64(steps), fmt.Sprintf("%d of %d steps done", i, steps))
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: strings.Join(lines, "\n")}}}, nil, nil
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on; port 0 is any free port")
	db := flag.String("db", "", "database of the tasks, sqlite:path or postgres://…; defaults to DATABASE_URL, or else sqlite:quickstart.db")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := serve(ctx, *addr, cmp.Or(*db, os.Getenv("DATABASE_URL"), "sqlite:quickstart.db")); err != nil {
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
	defer node.Close() // waits for running tasks; those that take too long run again in the next process
	server := mcp.NewServer(&mcp.Implementation{Name: "quickstart", Version: "v0.1.0"}, nil)
	mcpserver.Mount(server, tools, node, nil)
	if err := node.Start(ctx); err != nil { // run the tasks in this process
		return err
	}
	http.Handle("/mcp", mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf(`listening on http://%[1]s/mcp
try: curl http://%[1]s/mcp -H 'Content-Type: application/json' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: report' \
 -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"report","arguments":{"topic":"tides"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}'
`, listener.Addr())
	httpServer := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	time.AfterFunc(5*time.Second, func() { _ = httpServer.Close() }) // ends the streams that clients keep open
	return httpServer.Shutdown(context.Background())
}
