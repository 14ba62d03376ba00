package riverdb

import (
	"context"

	"github.com/riverqueue/river/riverdriver"

	"github.com/mcptasks/mcptasks/internal/notify"
)

// workListener is River's listener that also listens for the jobs of this process,
// without the detour through the database.
type workListener struct {
	riverdriver.Listener
	notifier *notify.Notifier
	jobs     *notify.Jobs // while it is connected

	// The wait for the database that goes on, nil if none does. It outlasts the calls
	// that return a queue of this process. River waits in one goroutine at a time, and
	// ends its context before it does anything else.
	waiting *wait
}

type wait struct {
	stop         context.CancelFunc
	done         chan struct{}
	notification *riverdriver.Notification
	err          error
}

// Connect implements riverdriver.Listener.
func (l *workListener) Connect(ctx context.Context) error {
	if err := l.Listener.Connect(ctx); err != nil {
		return err
	}
	l.jobs = l.notifier.SubscribeJobs()
	return nil
}

// Close implements riverdriver.Listener.
func (l *workListener) Close(ctx context.Context) error {
	if l.jobs != nil {
		l.jobs.Close()
		l.jobs = nil
	}
	return l.Listener.Close(ctx)
}

// WaitForNotification implements riverdriver.Listener.
func (l *workListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if l.waiting == nil {
		l.waiting = l.wait(ctx)
	}
	select {
	case <-l.jobs.Ready():
		return &riverdriver.Notification{Topic: insertTopic, Payload: insertPayload(l.jobs.Next())}, nil
	case <-l.waiting.done:
	case <-ctx.Done():
		l.waiting.stop()
		<-l.waiting.done
	}
	waited := l.waiting
	l.waiting = nil
	return waited.notification, waited.err
}

// wait waits for the database until it is stopped.
func (l *workListener) wait(ctx context.Context) *wait {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &wait{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer stop()
		w.notification, w.err = l.Listener.WaitForNotification(ctx)
	}()
	return w
}
