package session

import (
	"testing"
	"testing/synctest"
	"time"
)

// The timer of a plain call stops while a question is open, and starts again afterwards.
func TestCallWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		over := make(chan time.Duration, 8)
		w := NewCallTimer(time.Minute, func() { over <- time.Since(begun) })
		time.Sleep(50 * time.Second)
		w.hold()
		time.Sleep(time.Hour)
		w.hold()
		w.release() // the first question is still open
		time.Sleep(time.Hour)
		w.release()
		if got, want := <-over, 50*time.Second+2*time.Hour+time.Minute; got != want {
			t.Errorf("it was over after %s, want %s", got, want)
		}
		w.hold()
		w.Stop()
		w.release()
		time.Sleep(time.Hour)
		if len(over) > 0 {
			t.Errorf("it was over %s after it had ended", <-over)
		}
	})
}
