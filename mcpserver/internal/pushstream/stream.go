// Package pushstream is the way to a session's client outside of the answers to its
// requests. Over HTTP it is the stream that the client opens with GET. On stdio it is the
// connection itself. The package knows neither tasks nor HTTP: it is given a function
// that writes a message.
package pushstream

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// Stream lasts as long as its session. It is open while the client can be written to.
// Its methods are safe for concurrent use.
type Stream struct {
	ctx context.Context
	end context.CancelFunc

	mu     sync.Mutex
	write  func(message []byte) error // nil while the stream is not open
	open   context.Context            // ends when the stream is no longer open
	closed context.CancelFunc
	opened func() // called each time the stream has been opened
}

// New returns a stream that is not open. It ends with ctx at the latest.
func New(ctx context.Context) *Stream {
	s := &Stream{}
	s.ctx, s.end = context.WithCancel(ctx)
	return s
}

// Context returns a context that ends with the session.
func (s *Stream) Context() context.Context { return s.ctx }

// End ends the stream for good: its session has ended.
func (s *Stream) End() { s.end() }

var errNotOpen = errors.New("the client has no stream open")

// Open opens the stream. A stream that was open before is closed. The function that Open
// returns closes the stream, unless it has been opened again since.
func (s *Stream) Open(write func([]byte) error) (disconnect func()) {
	s.mu.Lock()
	if s.closed != nil {
		s.closed()
	}
	open, closed := context.WithCancel(s.ctx)
	s.write, s.open, s.closed = write, open, closed
	opened := s.opened
	s.mu.Unlock()
	if opened != nil {
		opened()
	}
	return func() {
		defer closed()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open == open {
			s.write, s.open, s.closed = nil, nil, nil
		}
	}
}

// WhileOpen returns a context that ends when the stream is no longer open. It returns
// nil if the stream is not open.
func (s *Stream) WhileOpen() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil || s.open.Err() != nil {
		return nil
	}
	return s.open
}

// OnOpen sets the function that is called each time the stream has been opened.
func (s *Stream) OnOpen(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = f
}

// Notify sends a notification that the SDK has no method for. It returns an error if
// the stream is not open.
func (s *Stream) Notify(method string, params any) error {
	s.mu.Lock()
	write := s.write
	s.mu.Unlock()
	if write == nil {
		return errNotOpen
	}
	message, err := Notification(method, params)
	if err != nil {
		return err
	}
	return write(message)
}

// Notification returns a JSON-RPC notification.
func Notification(method string, params any) ([]byte, error) {
	return json.Marshal(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params})
}
