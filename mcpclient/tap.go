package mcpclient

import (
	"bytes"
	"errors"
	"io"
)

// tappedBody is a response body that feeds a tap while the SDK reads it. The tap has
// seen a message before the SDK can decode it.
type tappedBody struct {
	io.ReadCloser
	tap tap
}

// A tap finds the messages in a body and passes each to its onMessage. It holds at
// most one message, and skips those of more than maxHandle bytes, which are no
// handles.
type tap interface {
	feed(data []byte)
	finish()
}

func (b *tappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.tap.feed(p[:n])
	if errors.Is(err, io.EOF) {
		b.tap.finish()
	}
	return n, err
}

// jsonTap is the tap for application/json: the body is one message.
type jsonTap struct {
	boundedBuffer
	onMessage func([]byte)
}

func (t *jsonTap) feed(data []byte) { t.add(data) }

func (t *jsonTap) finish() { t.flush(t.onMessage) }

// sseTap is the tap for text/event-stream: each event is a message. It splits lines
// and joins data fields as the SDK does.
type sseTap struct {
	line, data boundedBuffer
	onMessage  func([]byte)
}

func (t *sseTap) feed(data []byte) {
	for {
		line, rest, found := bytes.Cut(data, []byte{'\n'})
		t.line.add(line)
		if !found {
			return
		}
		t.endLine()
		data = rest
	}
}

func (t *sseTap) finish() {
	t.endLine()
	t.data.flush(t.onMessage)
}

func (t *sseTap) endLine() {
	line := bytes.TrimRight(t.line.bytes, "\r")
	switch value, isData := bytes.CutPrefix(line, []byte("data:")); {
	case t.line.tooLong:
		t.data.tooLong = true
	case isData:
		if len(t.data.bytes) > 0 {
			t.data.add([]byte{'\n'})
		}
		t.data.add(bytes.TrimSpace(value))
	case len(line) == 0:
		t.data.flush(t.onMessage)
	}
	t.line = boundedBuffer{bytes: t.line.bytes[:0]}
}

// boundedBuffer holds a message, or a part of one, of at most maxHandle bytes.
type boundedBuffer struct {
	bytes   []byte
	tooLong bool
}

func (b *boundedBuffer) add(data []byte) {
	if b.tooLong || len(b.bytes)+len(data) > maxHandle {
		b.bytes, b.tooLong = nil, true
		return
	}
	b.bytes = append(b.bytes, data...)
}

// flush passes the message on, unless it was too long, and begins the next.
// onMessage may keep the bytes.
func (b *boundedBuffer) flush(onMessage func([]byte)) {
	if len(b.bytes) > 0 && !b.tooLong {
		onMessage(b.bytes)
	}
	*b = boundedBuffer{}
}
