//go:build unix

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progressLog prints lines with the seconds since the start and who acts. It is safe for
// concurrent use.
type progressLog struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newProgressLog(out io.Writer) *progressLog { return &progressLog{out: out, start: time.Now()} }

func (s *progressLog) say(who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%5.1f s  %-8s  %s\n", time.Since(s.start).Seconds(), who, fmt.Sprintf(format, args...))
}
