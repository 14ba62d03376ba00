package mcpserver

import (
	"fmt"
	"net/http"
	"sync"
)

// A stream is the SDK's ResponseWriter for a stream of events, to which others may
// write events, too. It has no Unwrap: what went past its lock would mix with them.
type stream struct {
	opened func() // called when the answer begins, if it is a stream; may be nil

	mu      sync.Mutex
	w       http.ResponseWriter
	started bool
	ended   bool
}

func (s *stream) Header() http.Header { return s.w.Header() }

func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.w.WriteHeader(status)
	first := !s.started
	s.started = true
	s.mu.Unlock()
	if first && status == http.StatusOK && s.opened != nil {
		s.opened()
	}
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, http.ErrHandlerTimeout
	}
	return s.w.Write(p)
}

// FlushError is what [http.ResponseController] looks for.
func (s *stream) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return http.ErrHandlerTimeout
	}
	return http.NewResponseController(s.w).Flush()
}

// event writes a JSON-RPC message as an event of its own.
func (s *stream) event(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return http.ErrHandlerTimeout
	}
	if _, err := fmt.Fprintf(s.w, "event: message\ndata: %s\n\n", message); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// end keeps late writers from a response that is over.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
