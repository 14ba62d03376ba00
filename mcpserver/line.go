package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// A line leads to the client of a session outside of the answers to its requests:
// over HTTP it is the stream that the client opens with GET, on stdio it is the
// connection itself.
type line struct {
	user string             // whose session it is, "" for anybody's
	kept bool               // somebody ends it with the session; for its keeper's lock
	ctx  context.Context    // ends with the session
	end  context.CancelFunc // for whoever learns of that
	wake func()             // stops what ends it while its session is idle; for its keeper's lock

	mu     sync.Mutex
	write  func(message []byte) error // nil while it is not open
	open   context.Context            // ends when it is open no more
	closed context.CancelFunc
	opened func() // called after it has been opened
}

func newLine(ctx context.Context, user string) *line {
	l := &line{user: user, wake: func() {}}
	l.ctx, l.end = context.WithCancel(ctx)
	return l
}

var errNotOpen = errors.New("the client has no stream open")

// connect opens the line. What it returns closes it, unless another has been opened since.
func (l *line) connect(write func([]byte) error) (disconnect func()) {
	l.mu.Lock()
	if l.closed != nil {
		l.closed()
	}
	open, closed := context.WithCancel(l.ctx)
	l.write, l.open, l.closed = write, open, closed
	opened := l.opened
	l.mu.Unlock()
	if opened != nil {
		opened()
	}
	return func() {
		defer closed()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open == open {
			l.write, l.open, l.closed = nil, nil, nil
		}
	}
}

// listening returns a context that ends when the line is open no more, nil if it is not.
func (l *line) listening() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil || l.open.Err() != nil {
		return nil
	}
	return l.open
}

// whenOpened has f called each time the line has been opened.
func (l *line) whenOpened(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = f
}

// notify sends a notification that the SDK does not know.
func (l *line) notify(method string, params any) error {
	l.mu.Lock()
	write := l.write
	l.mu.Unlock()
	if write == nil {
		return errNotOpen
	}
	message, err := notification(method, params)
	if err != nil {
		return err
	}
	return write(message)
}

func notification(method string, params any) ([]byte, error) {
	return json.Marshal(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params})
}
