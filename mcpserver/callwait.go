package mcpserver

import (
	"context"
	"sync"
	"time"
)

// A callWait is how long a plain call waits for its task. It stands still while the
// client has questions to answer, and then begins anew. Nil does nothing.
type callWait struct {
	wait time.Duration

	mu        sync.Mutex
	timer     *time.Timer
	questions int
	ended     bool
}

// newCallWait begins to wait, and calls over after the wait, unless ended before.
func newCallWait(wait time.Duration, over context.CancelFunc) *callWait {
	return &callWait{wait: wait, timer: time.AfterFunc(wait, over)}
}

// hold notes that the client has one more question to answer.
func (w *callWait) hold() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.questions++
	w.timer.Stop()
}

// release notes that the client has one less: it has answered it, or never will.
func (w *callWait) release() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.questions--; w.questions == 0 && !w.ended {
		w.timer.Reset(w.wait)
	}
}

func (w *callWait) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}
