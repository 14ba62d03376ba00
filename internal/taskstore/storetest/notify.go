package storetest

import (
	"context"
	"slices"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// A watcher sees which changes of a task a store notifies of.
type watcher[TTx any] struct {
	f       *fixture[TTx]
	id      string
	changed <-chan struct{}
}

// notified has the fixture use a store, and returns a watcher of the task in it.
func (f *fixture[TTx]) notified(id string) watcher[TTx] {
	notifier := newNotifier()
	f.store = f.storeWith(f.driver, config.Config{}, notifier)
	changed, _ := notifier.Subscribe(id)
	return watcher[TTx]{f, id, changed}
}

// want fails the test unless the store has notified of a change since the last call, or
// unless it has not.
func (w watcher[TTx]) want(op string, want bool) {
	w.f.Helper()
	got := len(w.changed) > 0
	if got {
		<-w.changed
	}
	if got != want {
		w.f.Errorf("%s: it is %t that the change of task %s was notified of, want %t", op, got, w.id, want)
	}
}

// sent is a database that records what a notifier sends to it.
type sent struct{ queues, tasks []string }

func (s *sent) NotifyJobs(_ context.Context, queues []string) error {
	s.queues = append(s.queues, queues...)
	return nil
}

func (s *sent) NotifyChanged(_ context.Context, ids []string) error {
	s.tasks = append(s.tasks, ids...)
	return nil
}

func (s *sent) Listen(context.Context, func(), func([]string)) error { return nil }

// sentBy returns what the notifier has to send, and closes it.
func sentBy(notifier *notify.Notifier) sent {
	var s sent
	notifier.Start(&s, false)
	notifier.Close()
	slices.Sort(s.queues)
	slices.Sort(s.tasks)
	return s
}

// sentLater returns the queues whose workers are notified after a create's commit: none
// where there is one writer, whose own transaction does that.
func (f *fixture[TTx]) sentLater(queues ...string) []string {
	if _, oneWriter := f.driver.(driver.Exclusive); oneWriter {
		return nil
	}
	return queues
}
