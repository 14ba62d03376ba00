// Command conformance is the server for the official MCP conformance suite and the official
// tasks client. It has one MCP endpoint for both task protocols, the tools, prompts and
// resources that the suite requires, and a node that runs the tasks in the same process.
//
// The tasks are in the database that DATABASE_URL names, or else in a SQLite file that is
// removed at the end. The program prints its endpoint on standard output when it listens.
// SIGINT or SIGTERM ends it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/postgres"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8765", "address to listen on; port 0 is any free port")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr)
	stop()
	if err != nil {
		slog.Error("the server has ended", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It then closes in reverse order: the HTTP server, the node,
// which drains its runs, and the database.
func run(ctx context.Context, addr string) error {
	temp, err := os.MkdirTemp("", "mcptasks-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	url := cmp.Or(os.Getenv("DATABASE_URL"), "sqlite:"+filepath.Join(temp, "tasks.db"))

	server := mcp.NewServer(&mcp.Implementation{Name: "mcptasks-conformance", Version: "1.0.0"}, serverOptions)
	addPlainTools(server)
	addSessionTools(server)
	addRoundTools(server)
	addResources(server)
	addPrompts(server)

	tools := mcptasks.NewTools()
	addTools(tools)
	node, err := runner.Open(ctx, url, tools, &runner.Config{Migrate: true})
	if err != nil {
		return err
	}
	defer node.Close()
	mcpserver.Mount(server, tools, node, nil)
	if err := node.Start(ctx); err != nil {
		return err
	}

	handler := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, &mcpserver.HandlerOptions{
		// A client that lost a session's stream gets the events that it missed.
		StreamableHTTP: mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)},
	})
	return serve(ctx, addr, handler)
}

// serve answers at /mcp until ctx ends.
func serve(ctx context.Context, addr string, handler http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("/mcp", handler)
	httpServer := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	fmt.Printf("listening on http://%s/mcp\n", listener.Addr())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Clients may keep streams open: do not wait for those.
	closing, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err = httpServer.Shutdown(closing)
	if errors.Is(err, context.DeadlineExceeded) {
		return httpServer.Close()
	}
	return err
}
