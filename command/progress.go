package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// progress is one line on a terminal that shows how far a long command is. It prints
// nothing where there is no terminal.
type progress struct {
	w    io.Writer // nil without a terminal
	last time.Time // when the line was printed
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w}
}

// progressBeside returns the progress of a command that prints its results one by one. It
// is silent if the results go to a terminal: they show the progress.
func progressBeside(cmd *cobra.Command) *progress {
	if isTerminal(cmd.OutOrStdout()) {
		return &progress{}
	}
	return newProgress(cmd.ErrOrStderr())
}

// show replaces the line, at most every 100 ms.
func (p *progress) show(format string, args ...any) {
	const pause = 100 * time.Millisecond
	if p.w == nil || time.Since(p.last) < pause {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
}

// end removes the line.
func (p *progress) end() {
	if p.w != nil && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
