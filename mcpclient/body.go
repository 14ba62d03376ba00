package mcpclient

import (
	"bytes"
	"errors"
	"io"
)

// heardBody is a response body that an ear listens to while the SDK reads it. The
// ear has heard a message before the SDK can decode it.
type heardBody struct {
	io.ReadCloser
	ear ear
}

// An ear takes in a body and passes on each message in it that may be a handle. It
// remembers at most one message, of at most maxHandle bytes.
type ear interface {
	take(data []byte)
	end()
}

func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ear.take(p[:n])
	if errors.Is(err, io.EOF) {
		b.ear.end()
	}
	return n, err
}

// document is the ear for application/json: one message.
type document struct {
	message
	heard func([]byte)
}

func (d *document) take(data []byte) { d.add(data) }

func (d *document) end() { d.pass(d.heard) }

// events is the ear for text/event-stream: a message in each event. It reads lines
// and joins data fields as the SDK does.
type events struct {
	line, data message
	heard      func([]byte)
}

func (e *events) take(data []byte) {
	for {
		line, rest, found := bytes.Cut(data, []byte{'\n'})
		e.line.add(line)
		if !found {
			return
		}
		e.endLine()
		data = rest
	}
}

func (e *events) end() {
	e.endLine()
	e.data.pass(e.heard)
}

func (e *events) endLine() {
	line := bytes.TrimRight(e.line.bytes, "\r")
	switch value, isData := bytes.CutPrefix(line, []byte("data:")); {
	case e.line.tooLong:
		e.data.tooLong = true
	case isData:
		if len(e.data.bytes) > 0 {
			e.data.add([]byte{'\n'})
		}
		e.data.add(bytes.TrimSpace(value))
	case len(line) == 0:
		e.data.pass(e.heard)
	}
	e.line = message{bytes: e.line.bytes[:0]}
}

// message is a message, or a piece of one, of at most maxHandle bytes.
type message struct {
	bytes   []byte
	tooLong bool
}

func (m *message) add(data []byte) {
	if m.tooLong || len(m.bytes)+len(data) > maxHandle {
		m.bytes, m.tooLong = nil, true
		return
	}
	m.bytes = append(m.bytes, data...)
}

// pass hands the message on, if it is whole, and begins the next. The receiver may
// keep the bytes.
func (m *message) pass(heard func([]byte)) {
	if len(m.bytes) > 0 && !m.tooLong {
		heard(m.bytes)
	}
	*m = message{}
}
