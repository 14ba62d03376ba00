// Command server serves the tools at /mcp and runs no tasks: they wait in the database for
// a worker. Several servers may run behind a load balancer that probes /readyz. Requests of
// protocol 2026-07-28 may go to any of them.
//
// The server does not authenticate its clients. See examples/approval for tasks that belong
// to their users.
//
// SIGTERM drains it: /readyz fails, the server goes on until load balancers have noticed,
// and then ends. A second signal ends it at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/examples/split/tools"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/ops"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/postgres" // the database that DATABASE_URL names
)

func main() {
	addr := flag.String("addr", ":8080", "address that serves MCP, at /mcp")
	opsAddr := flag.String("ops", ":9090", "address that answers /healthz, /readyz and /metrics")
	notice := flag.Duration("notice", 5*time.Second, "how long to go on serving after SIGTERM, while /readyz fails")
	probe := flag.Bool("probe", false, "exit with 0 if the server on this machine is ready: a container's health check")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	run := func() error { return run(ctx, *addr, *opsAddr, *notice) }
	if *probe {
		run = func() error { return ops.Probe(ctx, *opsAddr) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, opsAddr string, notice time.Duration) error {
	exporter, err := ops.Metrics()
	if err != nil {
		return err
	}
	defer exporter.Close()
	all := tools.New(nil) // without a handler: workers have it
	node, err := runner.Open(ctx, os.Getenv("DATABASE_URL"), all, &runner.Config{MeterProvider: exporter.MeterProvider()})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer node.Close()
	probes, err := ops.Listen(ctx, opsAddr, ops.Handler(node, exporter))
	if err != nil {
		return err
	}
	defer probes.Close()

	server := mcp.NewServer(&mcp.Implementation{Name: "split", Version: "v0.1.0"}, nil)
	mcpserver.Mount(server, all, node, nil)
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	httpServer := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	log.Printf("serving http://%s/mcp; probes on http://%s", listener.Addr(), probes.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	if err := node.Stop(context.Background()); err != nil { // it runs no tasks, but is no longer ready
		return err
	}
	<-time.After(notice)
	return shutdown(httpServer)
}

// shutdown waits for requests in progress, and ends the streams that clients keep open:
// they connect again to another server.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
