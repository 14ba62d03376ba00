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
	served   chan struct{} // closed when Serve has returned
}

// closeTimeout limits how long Close waits for requests in progress.
const closeTimeout = time.Second

// Listen listens on the TCP address, for instance ":9090", and serves the handler in the
// background. ctx limits only the start. Listen returns an error if the address is in use.
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
			slog.Error("mcptasks: the server of probes and metrics has stopped", "error", err)
		}
	}()
	return s, nil
}

// Addr returns the address that the server listens on, with the actual port if Listen was
// called with port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops accepting requests, waits at most a second for those in progress, and returns
// when the server has stopped. Close the server last, so that /readyz reports to the end
// that the process drains.
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
