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

	// lastWords is how long requests go on after the node has drained: they wait
	// for nothing that could still come. Streams never end by themselves.
	lastWords = 2 * time.Second
)

// listen takes the address, and returns what serves there until its context ends.
func (p *program) listen(cmd *cobra.Command, addr string, server *mcp.Server, process *process) (func(context.Context) error, error) {
	listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	if p.options.Handler == nil && !isLoopback(listener.Addr()) {
		process.log.Warn("mcptasks: other machines can call the tools, and nothing authenticates them", "addr", listener.Addr().String())
	}
	return func(ctx context.Context) error {
		fmt.Fprintf(cmd.OutOrStdout(), "listening on http://%s%s\n", listener.Addr(), endpoint)
		return serveHTTP(ctx, listener, p.handler(server, process), process.log)
	}, nil
}

// handler is the endpoint, with the probes beside it that whoever balances the load asks.
func (p *program) handler(server *mcp.Server, process *process) http.Handler {
	served := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)
	if p.options.Handler != nil {
		served = p.options.Handler(served)
	}
	probes := process.probes(false) // the figures are not for clients
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
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // clients that hang up
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
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
