package endpoint

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
)

// An eventStream is the SDK's ResponseWriter for a stream of server-sent events, to which
// we write events, too. It has no Unwrap method: a write that by-passes its lock could
// land inside another event.
type eventStream struct {
	opened func() // called when the answer begins with HTTP 200; may be nil

	mu      sync.Mutex
	w       http.ResponseWriter
	started bool
	ended   bool
}

func (s *eventStream) Header() http.Header { return s.w.Header() }

func (s *eventStream) WriteHeader(status int) {
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

func (s *eventStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, http.ErrHandlerTimeout
	}
	return s.w.Write(p)
}

// FlushError implements the method that [http.ResponseController] looks for.
func (s *eventStream) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return http.ErrHandlerTimeout
	}
	return http.NewResponseController(s.w).Flush()
}

// event writes a JSON-RPC message as one event.
func (s *eventStream) event(message []byte) error {
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

// notify writes a notification as one event.
func (s *eventStream) notify(method string, params any) error {
	message, err := pushstream.Notification(method, params)
	if err != nil {
		return err
	}
	return s.event(message)
}

// end makes later writes fail: the response is over.
func (s *eventStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
