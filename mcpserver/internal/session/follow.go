package session

import (
	"context"
	"errors"
	"slices"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// maxFollowed limits how many live tasks a session is notified of. Its client may ask for
// the others.
const maxFollowed = 1000

// A followed task is one that the client created or asked for.
type followed struct {
	id      string
	owner   mcptasks.Owner
	created bool           // by this client
	sent    *mcptasks.Task // as the client knows it
	running bool
}

// Follow notifies the client of the task's changes from now on, and asks it what the task
// asks, whenever its push stream is open. It reads nothing while the stream is closed.
// created says that the client created the task.
//
// A client that only looks at a task is asked only if no client of this process can be
// asked that created the task or waits for it. It may be a mere observer, and its
// rejection would be taken for the answer. Sessions are not in the database, so that the
// sessions of other nodes are not known here.
func (s *Session) Follow(owner mcptasks.Owner, task *mcptasks.Task, created bool) {
	s.Withdraw(task)
	if s.add(owner, task, created) {
		s.askIfOpen(owner, task)
	}
}

// add adds the task to those that are followed, unless it has ended or there are too many.
func (s *Session) add(owner mcptasks.Owner, task *mcptasks.Task, created bool) bool {
	if task.Status.Terminal() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.tasks[task.ID]
	if f == nil {
		if len(s.tasks) >= maxFollowed {
			return false
		}
		f = &followed{id: task.ID, owner: owner, sent: task}
		s.tasks[task.ID] = f
		s.start(f)
	}
	f.created = f.created || created
	return true
}

// askIfOpen asks the client what the task asks, if its push stream is open. It asks all
// questions if the client created the task or waits for it. Otherwise it asks those that
// no such client can be asked.
func (s *Session) askIfOpen(owner mcptasks.Owner, task *mcptasks.Task) {
	if s.stream.WhileOpen() == nil {
		return
	}
	if created, waits := s.has(owner, task.ID); created || waits {
		s.Ask(s.stream.Context(), owner, task, nil)
		return
	}
	all := s.sessions.all()
	s.Ask(s.stream.Context(), owner, task, func(key string) bool {
		return !slices.ContainsFunc(all, func(other *Session) bool { return other != s && other.canAnswer(owner, task, key) })
	})
}

// canAnswer reports whether the client created the task or waits for it, and can be asked
// the question.
func (s *Session) canAnswer(owner mcptasks.Owner, task *mcptasks.Task, key string) bool {
	created, waits := s.has(owner, task.ID)
	if !waits && (!created || s.stream.WhileOpen() == nil) || s.stream.Context().Err() != nil {
		return false
	}
	return s.answers(task.Questions[key].Method) && !s.hasRejected(task.ID, key)
}

// has reports whether the client created the task, and whether it waits for it.
func (s *Session) has(owner mcptasks.Owner, id string) (created, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.tasks[id]
	return f != nil && f.created, s.waiting[waited{owner, id}] > 0
}

// A waited task is one whose end requests of the client wait for. The owner is that of the
// requests. The task may be another owner's, or not exist.
type waited struct {
	owner mcptasks.Owner
	id    string
}

// Waits notes that a request of the client waits for the task, until done is called.
func (s *Session) Waits(owner mcptasks.Owner, id string) (done func()) {
	task := waited{owner, id}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[task]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.waiting[task]--; s.waiting[task] == 0 {
			delete(s.waiting, task)
		}
	}
}

// opened resumes with the tasks that are followed: the push stream has been opened.
func (s *Session) opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.tasks {
		s.start(f)
	}
}

func (s *Session) start(f *followed) {
	if !f.running && s.stream.WhileOpen() != nil {
		f.running = true
		go s.run(f)
	}
}

func (s *Session) run(f *followed) {
	for {
		s.mu.Lock()
		open := s.stream.WhileOpen()
		if open == nil || s.stream.Context().Err() != nil {
			f.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if ended := s.watch(open, f); ended {
			s.Forget(f.id)
			return
		}
	}
}

// watch notifies of the task until it has ended, the stream is closed, or a read fails.
func (s *Session) watch(open context.Context, f *followed) (ended bool) {
	for task, err := range s.service.Watch(open, f.owner, f.id) {
		switch {
		case err != nil && open.Err() != nil:
			return false
		case errors.Is(err, mcptasks.ErrNotFound):
			return true
		case err != nil:
			s.service.WaitAfterFailedRead(open, f.id, err)
			return false
		}
		if changed(f.sent, task) {
			_ = s.stream.Notify(mcpwire.NotificationStatus, mcpwire.NewCoreTask(task)) // a client must not rely on it
			f.sent = task
		}
		s.Withdraw(task)
		s.askIfOpen(f.owner, task)
		if task.Status.Terminal() {
			return true
		}
	}
	return false
}

// changed reports whether a client that knows one should be notified of the other.
func changed(sent, task *mcptasks.Task) bool {
	return sent == nil || sent.Status != task.Status || sent.StatusMessage != task.StatusMessage || !sent.UpdatedAt.Equal(task.UpdatedAt)
}
