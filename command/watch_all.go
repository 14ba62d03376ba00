package command

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

// watch reads the tasks that have not ended at an interval, and shows changes.
type watch struct {
	operator *runner.Operator
	query    store.Query
	limit    int
	seen     map[string]*mcptasks.Task // as the last reading had them
}

func (w *watch) run(ctx context.Context, every time.Duration, v *view) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := w.refresh(ctx, v); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refresh reads and shows the tasks once: all of them on a terminal, elsewhere those that
// changed.
func (w *watch) refresh(ctx context.Context, v *view) error {
	tasks, err := w.live(ctx)
	if err != nil {
		return err
	}
	if v.live {
		var text strings.Builder
		if err := printTasks(&text, tasks, true); err != nil {
			return err
		}
		return v.draw(text.String())
	}
	now := make(map[string]*mcptasks.Task, len(tasks))
	for _, task := range slices.Backward(tasks) { // oldest first, as a log
		now[task.ID] = task
		if changed(w.seen[task.ID], task) {
			if err := v.change(task); err != nil {
				return err
			}
		}
	}
	before := w.seen
	w.seen = now
	return w.showEnded(ctx, before, v)
}

// live returns the newest tasks that match and have not ended, newest first.
func (w *watch) live(ctx context.Context) ([]*mcptasks.Task, error) {
	var tasks []*mcptasks.Task
	for _, status := range mcptasks.Statuses() {
		if status.Terminal() || (w.query.Status != "" && w.query.Status != status) {
			continue
		}
		query := w.query
		query.Status = status
		page, err := w.operator.List(ctx, query, "", w.limit)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, page.Tasks...)
	}
	// A task that moved from one list to the other meanwhile may be in both. The later
	// state comes first.
	slices.SortStableFunc(tasks, func(a, b *mcptasks.Task) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID), b.UpdatedAt.Compare(a.UpdatedAt))
	})
	tasks = slices.CompactFunc(tasks, func(a, b *mcptasks.Task) bool { return a.ID == b.ID })
	return tasks[:min(len(tasks), w.limit)], nil
}

func changed(before, now *mcptasks.Task) bool {
	return before == nil || before.Status != now.Status || before.StatusMessage != now.StatusMessage || !before.UpdatedAt.Equal(now.UpdatedAt)
}

// showEnded shows how the tasks ended that are no longer listed. Some have not ended: newer
// tasks may have pushed them off the list, or the filter no longer matches. A task that
// moved from one list to the other meanwhile may be in neither; showEnded goes on watching it.
func (w *watch) showEnded(ctx context.Context, before map[string]*mcptasks.Task, v *view) error {
	full := len(w.seen) == w.limit
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if w.seen[id] != nil {
			continue
		}
		shown, err := w.operator.Show(ctx, id)
		if errors.Is(err, mcptasks.ErrNotFound) {
			continue
		}
		if err == nil && changed(before[id], shown.Task) {
			err = v.change(shown.Task)
		}
		if err != nil {
			return err
		}
		if !full && w.query.Status == "" && !shown.Status.Terminal() {
			w.seen[id] = shown.Task
		}
	}
	return nil
}
