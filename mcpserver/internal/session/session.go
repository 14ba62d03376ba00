// Package session is the task protocol of 2025-11-25, which lives in sessions: what is
// offered at initialize, what a call asks of its task, questions that are sent to the
// client, notifications of tasks that it follows, tasks/result. A session lives in this
// process; the package does not know those of other nodes. It does not know how a task is
// created, nor HTTP.
package session

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Sessions are the 2025-11-25 sessions of a server that have met a task. Safe for
// concurrent use.
type Sessions struct {
	service *service.Service

	mu       sync.Mutex
	byStream map[*pushstream.Stream]*Session
}

// New returns the sessions of a server, none yet.
func New(service *service.Service) *Sessions {
	return &Sessions{service: service, byStream: make(map[*pushstream.Stream]*Session)}
}

// A Session asks its client what tasks ask, each question once, and notifies it of the
// tasks that it follows.
type Session struct {
	service  *service.Service
	sessions *Sessions
	client   *mcp.ServerSession
	stream   *pushstream.Stream

	wait *CallTimer // of the plain call whose stream this is; nil for the session's own

	mu      sync.Mutex
	pending map[string]map[string]pendingQuestion // by task, until it is known to have ended, and key
	tasks   map[string]*followed                  // by id, until it is known to have ended
	waiting map[waited]int                        // requests that wait for a task to end
}

// Of returns the session of the request. It returns nil if nothing can be sent to the
// client but answers.
func (s *Sessions) Of(ctx context.Context, client *mcp.ServerSession) *Session {
	stream := sideband.FromContext(ctx).PushStream()
	if stream == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if session, ok := s.byStream[stream]; ok {
		return session
	}
	session := &Session{
		service: s.service, sessions: s, client: client, stream: stream,
		pending: make(map[string]map[string]pendingQuestion),
		tasks:   make(map[string]*followed),
		waiting: make(map[waited]int),
	}
	s.byStream[stream] = session
	context.AfterFunc(stream.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.byStream, stream)
	})
	go func() {
		_ = client.Wait()
		stream.End()
	}()
	stream.OnOpen(session.opened)
	return session
}

func (s *Sessions) all() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.byStream))
}

// Context returns a context that ends with the session.
func (s *Session) Context() context.Context { return s.stream.Context() }

// ForCall returns a session that asks on the stream of a plain call of the client's. The
// client does not know that there is a task.
func (s *Session) ForCall(wait *CallTimer) *Session {
	return &Session{
		service: s.service, sessions: s.sessions, client: s.client, stream: s.stream, wait: wait,
		pending: make(map[string]map[string]pendingQuestion),
	}
}
