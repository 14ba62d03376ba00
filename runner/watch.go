package runner

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
)

// recheck is how often a watcher reads its task without having been told of a
// change: other processes' changes are not announced here.
const recheck = 500 * time.Millisecond

// Watch implements [mcptasks.Runner]. A change made by this process is seen at
// once, one made by another within half a second.
func (n *Node) Watch(ctx context.Context, owner mcptasks.Owner, id string) iter.Seq2[*mcptasks.Task, error] {
	return func(yield func(*mcptasks.Task, error) bool) {
		changed, forget := n.changes.of(id) // before the first read, so that no change falls between
		defer forget()
		ticker := time.NewTicker(recheck)
		defer ticker.Stop()

		var seen *mcptasks.Task
		for {
			task, err := n.store.Get(ctx, owner, id)
			if err != nil {
				yield(nil, err)
				return
			}
			if seen == nil || !task.UpdatedAt.Equal(seen.UpdatedAt) || task.Status != seen.Status || task.StatusMessage != seen.StatusMessage {
				if !yield(task, nil) || task.Status.Terminal() {
					return
				}
			}
			seen = task
			select {
			case <-changed:
			case <-ticker.C:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
	}
}

// changes tells this process's watchers of this process's changes.
type changes struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by task id
}

func newChanges() *changes {
	return &changes{watchers: make(map[string]map[chan struct{}]struct{})}
}

// announce wakes the task's watchers. A watcher that is still busy with an
// earlier change finds this one when it is done.
func (c *changes) announce(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for watcher := range c.watchers[id] {
		select {
		case watcher <- struct{}{}:
		default:
		}
	}
}

// of returns a channel that is signalled after a change of the task, and a
// function that ends this.
func (c *changes) of(id string) (changed <-chan struct{}, forget func()) {
	watcher := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchers[id] == nil {
		c.watchers[id] = make(map[chan struct{}]struct{})
	}
	c.watchers[id][watcher] = struct{}{}
	return watcher, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers[id], watcher)
		if len(c.watchers[id]) == 0 {
			delete(c.watchers, id)
		}
	}
}
