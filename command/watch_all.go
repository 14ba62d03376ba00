package command

import (
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

// watch looks at the tasks that have not ended, again and again.
type watch struct {
	operator *runner.Operator
	query    store.Query
	limit    int
	seen     map[string]*mcptasks.Task // as they were last time
}

func (w *watch) run(ctx context.Context, every time.Duration, v *view) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := w.look(ctx, v); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look shows the tasks once: all of them on a terminal, else those that changed.
func (w *watch) look(ctx context.Context, v *view) error {
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
	for _, task := range slices.Backward(tasks) { // oldest first, as lines are read
		now[task.ID] = task
		if changed(w.seen[task.ID], task) {
			if err := v.change(task); err != nil {
				return err
			}
		}
	}
	gone := w.seen
	w.seen = now
	return w.ended(ctx, gone, v)
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
	slices.SortStableFunc(tasks, func(a, b *mcptasks.Task) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return tasks[:min(len(tasks), w.limit)], nil
}

func changed(before, now *mcptasks.Task) bool {
	return before == nil || before.Status != now.Status || before.StatusMessage != now.StatusMessage || !before.UpdatedAt.Equal(now.UpdatedAt)
}

// ended tells how those ended that are seen no more. Some were only pushed out by
// newer ones, or have left the filter.
func (w *watch) ended(ctx context.Context, seen map[string]*mcptasks.Task, v *view) error {
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		if w.seen[id] != nil {
			continue
		}
		shown, err := w.operator.Show(ctx, id)
		if errors.Is(err, mcptasks.ErrNotFound) {
			continue
		}
		if err == nil && changed(seen[id], shown.Task) {
			err = v.change(shown.Task)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
