package runner

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// news carries changes of tasks to those who watch them, to this process's watchers
// directly, to other processes' through the database; and new jobs to the workers.
type news struct {
	log *slog.Logger

	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by task id
	untold   map[string]struct{}                   // changes that other processes have not been told of
	queues   map[string]struct{}                   // queues whose workers have not been told of new jobs
	ring     chan struct{}                         // says that there are some

	backend   store.Backend
	hears     bool            // what other processes tell
	recheck   time.Duration   // of watchers
	ctx       context.Context // ends with the node
	cancel    context.CancelFunc
	done      sync.WaitGroup
	listening sync.Once
}

func newNews(logger *slog.Logger) *news {
	n := &news{
		log:      logger,
		watchers: make(map[string]map[chan struct{}]struct{}),
		untold:   make(map[string]struct{}),
		queues:   make(map[string]struct{}),
		ring:     make(chan struct{}, 1),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// hooks are what a store calls of it.
func (n *news) hooks() store.Hooks { return store.Hooks{Changed: n.announce, Queued: n.queued} }

// open begins to tell other processes. With pollOnly it does not listen to them.
func (n *news) open(backend store.Backend, pollOnly bool) {
	n.backend, n.hears, n.recheck = backend, !pollOnly, recheck(pollOnly)
	n.done.Go(n.tell)
}

// close ends the telling, with what is still untold, and the listening.
func (n *news) close() {
	n.mu.Lock()
	n.cancel()
	n.mu.Unlock()
	n.done.Wait()
}

// announce says that the task has changed. It does not block. A watcher that is
// still busy with an earlier change finds this one when it is done.
func (n *news) announce(id string) {
	n.wake(id)
	n.note(n.untold, id)
}

// queued says that the queue has a new job. It does not block.
func (n *news) queued(queue string) { n.note(n.queues, queue) }

func (n *news) note(what map[string]struct{}, name string) {
	n.mu.Lock()
	what[name] = struct{}{}
	n.mu.Unlock()
	signal(n.ring)
}

func (n *news) wake(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for watcher := range n.watchers[id] {
		signal(watcher)
	}
}

func signal(watcher chan struct{}) {
	select {
	case watcher <- struct{}{}:
	default:
	}
}

// tell passes changes on after their commits, together: a notification within each
// transaction would make Postgres commit them one by one. It pauses after each, for
// longer while there is always more to tell: those who are told that often have
// enough to do.
func (n *news) tell() {
	const least, most = time.Millisecond, 8 * time.Millisecond
	for pause := least; ; {
		select {
		case <-n.ring:
		case <-n.ctx.Done():
			n.tellAll()
			return
		}
		n.tellAll()
		select {
		case <-time.After(pause):
		case <-n.ctx.Done():
		}
		if len(n.ring) > 0 {
			pause = min(2*pause, most)
		} else {
			pause = least
		}
	}
}

func (n *news) tellAll() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), 5*time.Second)
	defer cancel()
	if queues := n.noted(n.queues); len(queues) > 0 {
		if err := n.backend.Ring(ctx, queues); err != nil {
			n.log.WarnContext(ctx, "mcptasks: workers were not told of new jobs; they find them later", "queues", queues, "error", err)
		}
	}
	if ids := n.noted(n.untold); len(ids) > 0 {
		if err := n.backend.Tell(ctx, ids); err != nil {
			n.log.WarnContext(ctx, "mcptasks: other processes were not told of changes; they see them later", "tasks", len(ids), "error", err)
		}
	}
}

// noted returns what has been noted, and forgets it.
func (n *news) noted(what map[string]struct{}) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := slices.Collect(maps.Keys(what))
	clear(what)
	return names
}

// listen begins to hear of other processes' changes, with the first watcher.
func (n *news) listen() {
	n.listening.Do(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.hears && n.ctx.Err() == nil { // else close is waiting already
			n.done.Go(n.hear)
		}
	})
}

func (n *news) hear() {
	const retry = time.Second
	for {
		err := n.backend.Listen(n.ctx, n.wakeAll, func(ids []string) {
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

// wakeAll lets every watcher look: what was told while nobody listened is lost.
func (n *news) wakeAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, watchers := range n.watchers {
		for watcher := range watchers {
			signal(watcher)
		}
	}
}

// of returns a channel that is signalled after a change of the task, and a
// function that ends this.
func (n *news) of(id string) (changed <-chan struct{}, forget func()) {
	watcher := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers[id] == nil {
		n.watchers[id] = make(map[chan struct{}]struct{})
	}
	n.watchers[id][watcher] = struct{}{}
	return watcher, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers[id], watcher)
		if len(n.watchers[id]) == 0 {
			delete(n.watchers, id)
		}
	}
}
