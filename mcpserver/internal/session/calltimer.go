package session

import (
	"context"
	"sync"
	"time"
)

// A CallTimer limits how long a plain call waits for its task. It stops while the client
// has questions to answer, and starts again with the full time after that.
type CallTimer struct {
	wait time.Duration

	mu        sync.Mutex
	timer     *time.Timer
	questions int
	stopped   bool
}

// NewCallTimer starts a timer that calls expired after wait, unless it is stopped before.
func NewCallTimer(wait time.Duration, expired context.CancelFunc) *CallTimer {
	return &CallTimer{wait: wait, timer: time.AfterFunc(wait, expired)}
}

// hold notes that the client has one more question to answer. A nil timer does nothing.
func (w *CallTimer) hold() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.questions++
	w.timer.Stop()
}

// release notes that the client has one question less: it has answered it, or never will.
func (w *CallTimer) release() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.questions--; w.questions == 0 && !w.stopped {
		w.timer.Reset(w.wait)
	}
}

// Stop stops the timer for good.
func (w *CallTimer) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}
