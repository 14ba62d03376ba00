package command

import (
	"fmt"
	"io"
	"time"
)

// progress is one line on a terminal that says how far long work is, and nothing
// anywhere else.
type progress struct {
	w    io.Writer // nil: nobody watches
	said time.Time
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w}
}

// say replaces the line, a few times a second at most.
func (p *progress) say(format string, args ...any) {
	const pause = 100 * time.Millisecond
	if p.w == nil || time.Since(p.said) < pause {
		return
	}
	p.said = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
}

// end removes the line.
func (p *progress) end() {
	if p.w != nil && !p.said.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
