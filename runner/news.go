package runner

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// news carries changes of tasks to those who watch them: to this process's watchers
// directly, to other processes' through the database.
type news struct {
	log *slog.Logger

	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by task id
	untold   map[string]struct{}                   // changes that other processes have not been told of
	ring     chan struct{}                         // says that there are some

	backend   store.Backend
	hears     bool            // what other processes tell
	ctx       context.Context // ends with the node
	cancel    context.CancelFunc
	done      sync.WaitGroup
	listening sync.Once
}

func newNews(logger *slog.Logger) *news {
	if logger == nil {
		logger = slog.Default()
	}
	n := &news{
		log:      logger,
		watchers: make(map[string]map[chan struct{}]struct{}),
		untold:   make(map[string]struct{}),
		ring:     make(chan struct{}, 1),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// open begins to tell other processes. Without hears it does not listen to them.
func (n *news) open(backend store.Backend, hears bool) {
	n.backend, n.hears = backend, hears
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
	n.mu.Lock()
	n.untold[id] = struct{}{}
	n.mu.Unlock()
	select {
	case n.ring <- struct{}{}:
	default:
	}
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
// transaction would make Postgres commit them one by one. It pauses after each, so
// that a busy node tells a thousand times a second at most.
func (n *news) tell() {
	const pause = time.Millisecond
	for {
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
	}
}

func (n *news) tellAll() {
	n.mu.Lock()
	ids := make([]string, 0, len(n.untold))
	for id := range n.untold {
		ids = append(ids, id)
	}
	clear(n.untold)
	n.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), 5*time.Second)
	defer cancel()
	if err := n.backend.Tell(ctx, ids); err != nil {
		n.log.WarnContext(ctx, "mcptasks: other processes were not told of changes; they see them later", "tasks", len(ids), "error", err)
	}
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
