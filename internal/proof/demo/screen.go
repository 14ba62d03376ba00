package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// screen prints what happens, each line with the seconds since the start and who
// did it. Safe for concurrent use.
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

// log shows all that a server that has ended wrote to its log.
func (s *screen) log(server *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "\nthe log of process %d:\n%s\n", server.pid(), server.log.text())
}

// table shows which process ran which step, as their logs say, and whose work the
// result holds.
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
