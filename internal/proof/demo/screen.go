package main

import (
	"fmt"
	"io"
	"slices"
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
	fmt.Fprintf(s.out, "%5.1f s  %-6s  %s\n", time.Since(s.start).Seconds(), who, fmt.Sprintf(format, args...))
}

// table shows which process ran which step, as their logs say.
func (s *screen) table(seen *observations) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "\n%-6s  process %-8d process %-8d\n", "", seen.first, seen.second)
	for step := 1; step <= seen.steps; step++ {
		ran := seen.ranIn(step)
		first, second := "", ""
		if slices.Contains(ran, seen.first) {
			first = "ran"
		}
		if slices.Contains(ran, seen.second) {
			second = "ran"
		}
		switch {
		case first != "" && second != "":
			first, second = "cut off", "ran again"
		case first != "":
			second = "not run"
		}
		fmt.Fprintf(s.out, "step %d  %-16s %s\n", step, first, second)
	}
	fmt.Fprintln(s.out)
}
