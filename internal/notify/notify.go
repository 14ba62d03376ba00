// Package notify tells those who wait that a task has changed or that a queue has jobs:
// waiters of this process directly, those of other processes through the database. It
// knows what is pending and who has subscribed. It does not know what a task or a job
// is, and no SQL: the database is a [Database].
//
// Every notification may be lost, with a connection or a process. A subscriber
// therefore also looks for changes from time to time.
package notify

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Database carries notifications between the processes of a database.
type Database interface {
	// NotifyJobs notifies the workers of the queues that there are jobs. It is called
	// after the jobs were committed.
	NotifyJobs(ctx context.Context, queues []string) error

	// NotifyChanged notifies every process that listens that the tasks have changed. It
	// is called after the changes were committed.
	NotifyChanged(ctx context.Context, ids []string) error

	// Listen calls changed with the ids of NotifyChanged, until ctx ends or the
	// connection fails, and returns the error of either. It calls ready once, when it
	// listens.
	Listen(ctx context.Context, ready func(), changed func(ids []string)) error
}

// A Notifier has one goroutine that sends notifications to the database, and from the
// first Subscribe on one that listens. Safe for concurrent use.
type Notifier struct {
	log *slog.Logger

	mu           sync.Mutex
	watchers     map[string]map[chan struct{}]struct{} // by task id
	workers      map[*Jobs]struct{}
	pendingTasks map[string]struct{} // changes that are still to be sent
	pendingJobs  map[string]struct{} // queues that are still to be sent
	listen       func()              // starts to listen; nil: it does, or must not

	pending chan struct{} // has an element if something is to be sent

	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
}

// New returns a Notifier for this process alone. [Notifier.Start] connects it with
// others.
func New(logger *slog.Logger) *Notifier {
	n := &Notifier{
		log:          logger,
		watchers:     make(map[string]map[chan struct{}]struct{}),
		workers:      make(map[*Jobs]struct{}),
		pendingTasks: make(map[string]struct{}),
		pendingJobs:  make(map[string]struct{}),
		pending:      make(chan struct{}, 1),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Start begins to send notifications to the database, also those that are pending, and
// if listen is set, to listen for those of other processes with the first Subscribe.
func (n *Notifier) Start(db Database, listen bool) {
	if listen {
		n.mu.Lock()
		n.listen = func() { n.goroutines.Go(func() { n.receive(db) }) }
		n.mu.Unlock()
	}
	n.goroutines.Go(func() { n.send(db) })
}

// Close sends what is pending, for at most five seconds, and returns when the goroutines
// have ended.
func (n *Notifier) Close() {
	n.mu.Lock()
	n.listen = nil
	n.cancel()
	n.mu.Unlock()
	n.goroutines.Wait()
}

// TaskChanged notifies the subscribers of the task in all processes. It does not block.
func (n *Notifier) TaskChanged(id string) {
	n.wake(id)
	n.add(n.pendingTasks, id)
}

// JobsReady notifies the workers of the queue in all processes. It does not block.
func (n *Notifier) JobsReady(queue string) {
	n.JobsReadyHere(queue)
	n.add(n.pendingJobs, queue)
}

// JobsReadyHere notifies the workers of the queue in this process, for jobs whose
// transaction itself has notified the others. It does not block.
func (n *Notifier) JobsReadyHere(queue string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for jobs := range n.workers {
		jobs.queues[queue] = struct{}{}
		signal(jobs.ready)
	}
}

func (n *Notifier) add(pending map[string]struct{}, name string) {
	n.mu.Lock()
	pending[name] = struct{}{}
	n.mu.Unlock()
	signal(n.pending)
}

func (n *Notifier) wake(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for watcher := range n.watchers[id] {
		signal(watcher)
	}
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// send sends what is pending, many notifications with one statement. A notification
// within each transaction would make Postgres commit these one by one. After each
// statement it pauses, and longer while there is always more to send: the receivers of
// so many notifications are busy anyway.
func (n *Notifier) send(db Database) {
	const least, most = time.Millisecond, 8 * time.Millisecond
	for pause := least; ; {
		select {
		case <-n.pending:
		case <-n.ctx.Done():
			n.sendPending(db)
			return
		}
		n.sendPending(db)
		select {
		case <-time.After(pause):
		case <-n.ctx.Done():
		}
		if len(n.pending) > 0 {
			pause = min(2*pause, most)
		} else {
			pause = least
		}
	}
}

func (n *Notifier) sendPending(db Database) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), 5*time.Second)
	defer cancel()
	if queues := n.remove(n.pendingJobs); len(queues) > 0 {
		if err := db.NotifyJobs(ctx, queues); err != nil {
			n.log.WarnContext(ctx, "mcptasks: workers were not notified of new jobs; they find them later", "queues", queues, "error", err)
		}
	}
	if ids := n.remove(n.pendingTasks); len(ids) > 0 {
		if err := db.NotifyChanged(ctx, ids); err != nil {
			n.log.WarnContext(ctx, "mcptasks: other processes were not notified of changes; they see them later", "tasks", len(ids), "error", err)
		}
	}
}

// remove returns what is pending, which is not pending any more.
func (n *Notifier) remove(pending map[string]struct{}) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := slices.Collect(maps.Keys(pending))
	clear(pending)
	return names
}

// receive listens for the changes that other processes make, until Close.
func (n *Notifier) receive(db Database) {
	const retry = time.Second
	for {
		err := db.Listen(n.ctx, n.wakeAll, func(ids []string) {
			for _, id := range ids {
				n.wake(id)
			}
		})
		if n.ctx.Err() != nil {
			return
		}
		n.log.Warn("mcptasks: the connection that listens was lost; connecting again", "error", err)
		select {
		case <-time.After(retry):
		case <-n.ctx.Done():
			return
		}
	}
}

// wakeAll wakes every subscriber: what was sent while nobody listened is lost.
func (n *Notifier) wakeAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, watchers := range n.watchers {
		for watcher := range watchers {
			signal(watcher)
		}
	}
}
