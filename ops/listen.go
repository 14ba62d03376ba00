package ops

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server answers probes and scrapes until it is closed.
type Server struct {
	listener net.Listener
	http     http.Server
	served   chan struct{} // closed when it serves no more
}

// closeTimeout is how long Close waits for answers that have been begun.
const closeTimeout = time.Second

// Listen listens on the TCP address, ":9090" for instance, and serves the handler in
// the background. The context bounds the listening's beginning alone. It fails if the
// address is taken.
func Listen(ctx context.Context, addr string, handler http.Handler) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Server{
		listener: listener,
		http: http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       5 * time.Second,
			WriteTimeout:      scrapeTimeout + 5*time.Second,
			IdleTimeout:       2 * time.Minute,
		},
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("mcptasks: probes and scrapes are no longer answered", "error", err)
		}
	}()
	return s, nil
}

// Addr returns the address that it listens on, with the port that was taken if
// Listen was given port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close takes no more requests, waits a second for the answers that have been begun,
// and returns when nothing is served any more. Close the server last: until then
// /readyz says that the process drains.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.served
	return err
}
