package runner

import (
	"context"
	"iter"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/notify"
)

// recheck is how often Watch reads its task without a notification, which may be lost on
// the way or with a connection. Where other processes do not notify this one, Watch is no
// later than a client that polls at the default interval.
func recheck(pollOnly bool) time.Duration {
	if pollOnly {
		return time.Second
	}
	return 2 * time.Second
}

// Watch implements [mcptasks.Runner]. On Postgres a change is seen at once, whichever
// process made it; on SQLite one that another process made is seen within two seconds,
// with PollOnly within one.
func (n *Node) Watch(ctx context.Context, owner mcptasks.Owner, id string) iter.Seq2[*mcptasks.Task, error] {
	return watch(ctx, n.notifier, recheck(n.config.PollOnly), id, func() (*mcptasks.Task, error) { return n.Get(ctx, owner, id) })
}

// watch yields what get reads of the task, as Watch does.
func watch(ctx context.Context, notifier *notify.Notifier, recheck time.Duration, id string, get func() (*mcptasks.Task, error)) iter.Seq2[*mcptasks.Task, error] {
	return func(yield func(*mcptasks.Task, error) bool) {
		changed, cancel := notifier.Subscribe(id) // before the first read, so that no change falls between
		defer cancel()
		ticker := time.NewTicker(recheck)
		defer ticker.Stop()

		var seen *mcptasks.Task
		for {
			task, err := get()
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
