package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/mcpserver"
)

const (
	endpoint = "/mcp"

	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute

	// shutdownTimeout limits how long requests go on after the node has drained. No
	// task can change by then, and streams do not end by themselves.
	shutdownTimeout = 2 * time.Second
)

// listen listens on the address and returns a function that serves until its context
// ends.
func (p *program) listen(cmd *cobra.Command, addr string, server *mcp.Server, process *process) (func(context.Context) error, error) {
	listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	if p.options.Handler == nil && !isLoopback(listener.Addr()) {
		process.log.Warn("mcptasks: other machines can call the tools without authentication", "addr", listener.Addr().String())
	}
	return func(ctx context.Context) error {
		fmt.Fprintf(cmd.OutOrStdout(), "listening on http://%s%s\n", listener.Addr(), endpoint)
		return serveHTTP(ctx, listener, p.handler(server, process), process.log)
	}, nil
}

// handler returns the MCP endpoint, with the probes for a load balancer beside it.
func (p *program) handler(server *mcp.Server, process *process) http.Handler {
	served := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)
	if p.options.Handler != nil {
		served = p.options.Handler(served)
	}
	probes := process.probes(false) // clients must not see the metrics
	mux := http.NewServeMux()
	mux.Handle(endpoint, served)
	mux.Handle("/healthz", probes)
	mux.Handle("/readyz", probes)
	return mux
}

func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // most are clients that disconnect
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(last); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
