package endpoint

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
)

// A sessionStream is the push stream of a session of this process. Its fields are for
// the handler's lock.
type sessionStream struct {
	*pushstream.Stream
	retained  bool   // a request of the session uses it: it ends with the session
	stopTimer func() // stops the timer that ends it while the session is idle
}

// serveGET serves a session's push stream. A GET may also resume the stream of an answer,
// which must not replace the push stream: the SDK begins that one with its events, and
// only the push stream with a header.
func (h *handler) serveGET(w http.ResponseWriter, req *http.Request) {
	var s *sessionStream
	disconnect := func() {}
	events := &eventStream{w: w}
	events.opened = func() { // the SDK has found the session, and this is its push stream
		s = h.stream(req.Header.Get(sessionHeader), false)
		disconnect = s.Open(events.event)
	}
	h.sessions.ServeHTTP(events, req)
	events.end()
	disconnect()
	h.release(s)
}

// serveDELETE ends a session. The SDK waits for the requests that wait in the session, so
// these have to end first, if the SDK is going to accept the DELETE.
func (h *handler) serveDELETE(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	s := h.streams[req.Header.Get(sessionHeader)]
	h.mu.Unlock()
	if s != nil && h.accepts(req) {
		s.End()
	}
	h.sessions.ServeHTTP(w, req)
}

// accepts reports whether the SDK lets the request's sender into the session. It asks with
// a message that has no effect: an answer to a request that was never made.
func (h *handler) accepts(req *http.Request) bool {
	const answer = `{"jsonrpc":"2.0","id":"mcptasks","result":{}}`
	asked := req.Clone(req.Context())
	asked.Method = http.MethodPost
	asked.Header.Del("Last-Event-ID")
	asked.Header.Set("Content-Type", "application/json")
	asked.Header.Set("Accept", "application/json, text/event-stream")
	asked.Body, asked.ContentLength = io.NopCloser(strings.NewReader(answer)), int64(len(answer))
	verdict := &statusOnly{header: make(http.Header)}
	h.sessions.ServeHTTP(verdict, asked)
	return verdict.status == http.StatusAccepted
}

// statusOnly is a ResponseWriter that keeps only the status.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

// stream returns the push stream of a session that exists. A stream that is retained
// ends with its session.
func (h *handler) stream(session string, retain bool) *sessionStream {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.streams[session]
	if !ok {
		s = &sessionStream{Stream: pushstream.New(context.Background()), stopTimer: func() {}}
		h.streams[session] = s
		h.startTimer(session)
		context.AfterFunc(s.Context(), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			s.stopTimer()
			if h.streams[session] == s {
				delete(h.streams, session)
			}
		})
	}
	s.retained = s.retained || retain
	return s
}

// release ends a stream that only its own GET has used.
func (h *handler) release(s *sessionStream) {
	if s == nil {
		return
	}
	h.mu.Lock()
	unused := !s.retained && s.WhileOpen() == nil
	h.mu.Unlock()
	if unused {
		s.End()
	}
}

// posting notes that a request of the session is in progress, until done is called.
func (h *handler) posting(session string) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.posts[session]++
	h.stopTimer(session)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.posts[session]--; h.posts[session] == 0 {
			delete(h.posts, session)
			h.startTimer(session)
		}
	}
}

// The SDK ends a session that has been idle for the SessionTimeout, but it waits for what
// waits in the session: a question that the client will never answer, or a tasks/result
// whose client might come back for the answer. So the session's push stream has an idle
// timer of its own, and these waits end with the stream.

// startTimer starts the idle timer of the session's stream, if there is a stream and no
// request is in progress. The SDK starts its own earlier. The caller holds the lock.
func (h *handler) startTimer(session string) {
	s, ok := h.streams[session]
	if !ok || h.posts[session] > 0 || h.idleFor <= 0 {
		return
	}
	s.stopTimer()
	timer := time.AfterFunc(h.idleFor, s.End)
	s.stopTimer = func() { timer.Stop() }
}

// stopTimer stops it. The caller holds the lock.
func (h *handler) stopTimer(session string) {
	if s, ok := h.streams[session]; ok {
		s.stopTimer()
	}
}
