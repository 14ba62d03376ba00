package endpoint

import (
	"testing"
	"testing/synctest"
	"time"
)

// A session is idle while it has no POST in progress. A POST may take longer than the idle
// time.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &handler{idleFor: time.Hour, streams: make(map[string]*sessionStream), posts: make(map[string]int)}
		lives := func(want bool, when string) {
			t.Helper()
			synctest.Wait()
			h.mu.Lock()
			defer h.mu.Unlock()
			if _, got := h.streams["session"]; got != want {
				t.Errorf("%s there is a stream: %t, want %t", when, got, want)
			}
		}
		first := h.posting("session")
		h.stream("session", true)
		time.Sleep(5 * time.Hour)
		lives(true, "during a POST")
		second := h.posting("session")
		first()
		time.Sleep(5 * time.Hour)
		lives(true, "during another")
		second()
		time.Sleep(59 * time.Minute)
		third := h.posting("session")
		time.Sleep(5 * time.Hour)
		lives(true, "during a third")
		third()
		time.Sleep(59 * time.Minute)
		lives(true, "soon after the last")
		time.Sleep(2 * time.Minute)
		lives(false, "an hour later")

		h.stream("session", false) // a stream alone does not make the session busy
		time.Sleep(61 * time.Minute)
		lives(false, "an hour after it was made")
		if len(h.posts) > 0 {
			t.Errorf("left behind: %v", h.posts)
		}
	})
}
