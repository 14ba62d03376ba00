// Package backoff repeats what failed, with pauses between the attempts. It does not know
// what is attempted, nor which errors are worth another attempt: the caller's loop does.
package backoff

import (
	"context"
	"iter"
	"time"
)

// Attempts yields the number of each attempt, from 1 on. The first comes at once, even
// if ctx has ended. It pauses before each later one: for first, then twice as long each
// time, and never for longer than most. It ends when ctx ends during a pause.
func Attempts(ctx context.Context, first, most time.Duration) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n, pause := 1, first; yield(n); n, pause = n+1, min(2*pause, most) {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	}
}
