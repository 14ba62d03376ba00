package store

import (
	"context"
	"sync"

	"github.com/riverqueue/river/riverdriver"
)

// workListeners are the ears of this process's clients that work jobs; nearly always of
// one.
type workListeners struct {
	mu        sync.Mutex
	connected map[*workListener]struct{}
}

// ring has each listener hear that the queue has jobs. It does not block.
func (w *workListeners) ring(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for listener := range w.connected {
		listener.rung[queue] = struct{}{}
		listener.wake()
	}
}

// workListener is River's listener, which hears of this process's own jobs without
// the detour through the database.
type workListener struct {
	riverdriver.Listener
	all *workListeners

	rung  map[string]struct{} // queues it has still to hear of; guarded by all.mu
	woken chan struct{}       // says that there are some; sent to under all.mu

	// The wait for the database that goes on, nil if none does. It outlasts the calls
	// that return a queue of this process, which need not wait for its end. River waits
	// in one goroutine at a time, and ends its context before it does anything else.
	waiting *wait
}

type wait struct {
	stop         context.CancelFunc
	done         chan struct{}
	notification *riverdriver.Notification
	err          error
}

func (w *workListeners) listener(listener riverdriver.Listener) *workListener {
	return &workListener{Listener: listener, all: w, rung: make(map[string]struct{}), woken: make(chan struct{}, 1)}
}

// Connect implements riverdriver.Listener.
func (l *workListener) Connect(ctx context.Context) error {
	if err := l.Listener.Connect(ctx); err != nil {
		return err
	}
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.all.connected == nil {
		l.all.connected = make(map[*workListener]struct{})
	}
	l.all.connected[l] = struct{}{}
	return nil
}

// Close implements riverdriver.Listener.
func (l *workListener) Close(ctx context.Context) error {
	l.all.mu.Lock()
	delete(l.all.connected, l)
	l.all.mu.Unlock()
	return l.Listener.Close(ctx)
}

// WaitForNotification implements riverdriver.Listener.
func (l *workListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if l.waiting == nil {
		l.waiting = l.wait(ctx)
	}
	select {
	case <-l.woken:
		return &riverdriver.Notification{Topic: insertTopic, Payload: bell(l.next())}, nil
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

// next returns a queue that was rung for.
func (l *workListener) next() (queue string) {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	for queue = range l.rung {
		break
	}
	delete(l.rung, queue)
	select {
	case <-l.woken: // it was rung for again meanwhile
	default:
	}
	if len(l.rung) > 0 {
		l.wake()
	}
	return queue
}

func (l *workListener) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}
