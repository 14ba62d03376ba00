package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// screen prints lines with the seconds since the start and who acts. It is safe for
// concurrent use.
type screen struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newScreen(out io.Writer) *screen { return &screen{out: out, start: time.Now()} }

func (s *screen) say(who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%5.1f s  %-6s  ", time.Since(s.start).Seconds(), who) + fmt.Sprintf(format, args...)
	fmt.Fprintln(s.out, strings.TrimRight(line, " "))
}

// log prints the log of a server that has ended.
func (s *screen) log(server *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "\nthe log of process %d:\n%s\n", server.pid(), server.log.text())
}

// table prints which process ran which step, by the logs, and which one's work is in the
// result.
func (s *screen) table(seen *observations) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recorded, _ := seen.recordedIn() // complaints reports the error
	fmt.Fprintf(s.out, "\n%-6s  process %-8d process %d\n", "", seen.first, seen.second)
	for step := 1; step <= seen.steps; step++ {
		ran := seen.ranIn(step)
		cell := func(pid int) string {
			switch {
			case !slices.Contains(ran, pid):
				return "not run"
			case recorded[step] != pid:
				return "begun"
			default:
				return "recorded"
			}
		}
		fmt.Fprintf(s.out, "step %d  %-16s %s\n", step, cell(seen.first), cell(seen.second))
	}
	fmt.Fprintln(s.out)
}
