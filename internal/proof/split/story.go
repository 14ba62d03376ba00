//go:build unix

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// story prints what happens, each line with the seconds since the start and who did
// it. Safe for concurrent use.
type story struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newStory(out io.Writer) *story { return &story{out: out, start: time.Now()} }

func (s *story) say(who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%5.1f s  %-8s  %s\n", time.Since(s.start).Seconds(), who, fmt.Sprintf(format, args...))
}
