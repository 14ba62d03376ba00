package mcpserver

import "time"

// The SDK ends a session that has been idle for the SessionTimeout, but waits for what
// waits in it: a question that its client will never answer, a tasks/result whose client
// might come back for the answer and does not. So the line to the session ends with it.

// posting notes that a request of the session's is being answered, until done is called.
func (h *handler) posting(session string) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.posts[session]++
	h.wake(session)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.posts[session]--; h.posts[session] == 0 {
			delete(h.posts, session)
			h.rest(session)
		}
	}
}

// wake keeps the session's line, if there is one. It needs the lock, as does rest.
func (h *handler) wake(session string) {
	if l, ok := h.lines[session]; ok {
		l.wake()
	}
}

// rest ends the session's line, if there is one, when nothing more is posted. The SDK
// begins to count before.
func (h *handler) rest(session string) {
	l, ok := h.lines[session]
	if !ok || h.posts[session] > 0 || h.idleFor <= 0 {
		return
	}
	l.wake()
	timer := time.AfterFunc(h.idleFor, l.end)
	l.wake = func() { timer.Stop() }
}
