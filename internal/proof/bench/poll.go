//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
	"github.com/mcptasks/mcptasks/runner"
)

// polls compares reading a task with selecting its status by primary key. Half of the
// tasks have a result. The others are working and new, like most tasks that clients
// poll.
func polls(callers int) func(context.Context, *harness) (*samples, error) {
	return func(ctx context.Context, h *harness) (_ *samples, err error) {
		db, err := h.database(ctx)
		if err != nil {
			return nil, err
		}
		defer closing(&err, db.drop)
		p, err := h.polled(ctx, db)
		if err != nil {
			return nil, err
		}
		defer closing(&err, p.node.Close)
		return h.ratios(ctx, (*work).rate, h.polling(p, callers, p.get), h.polling(p, callers, p.selectStatus))
	}
}

// polled is a node that does not work, and the tasks to be read.
type polled struct {
	db   *database
	node *runner.Node
	past []string // tasks that have a result
	new  []string // tasks that are working
	// fresh is how many working tasks are created before each turn.
	fresh int
}

// polled completes tasks on one node, closes it and opens another.
func (h *harness) polled(ctx context.Context, db *database) (_ *polled, err error) {
	p := &polled{db: db, fresh: max(h.polledTasks/5, 1)}
	worker, err := h.open(ctx, db.wide, noop(nil), working(runner.Config{}))
	if err != nil {
		return nil, err
	}
	p.past, err = createAll(ctx, worker, h.polledTasks)
	if err == nil {
		err = worker.Start(ctx)
	}
	if err == nil {
		err = db.until(ctx, tasksEnded)
	}
	if err = errors.Join(err, worker.Close()); err != nil {
		return nil, err
	}
	p.node, err = h.open(ctx, db.wide, noop(nil), runner.Config{})
	return p, err
}

func createAll(ctx context.Context, node *runner.Node, n int) ([]string, error) {
	const callers = 64
	var mu sync.Mutex
	var ids []string
	_, err := load.Each(ctx, callers, n, func(ctx context.Context, _ int) error {
		task, err := node.Create(ctx, "", call())
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, task.ID)
		return nil
	})
	return ids, err
}

func (h *harness) polling(p *polled, callers int, read func(ctx context.Context, id string, want mcptasks.Status) error) side {
	return func(ctx context.Context, share float64) (*work, error) {
		if err := p.renew(ctx); err != nil {
			return nil, err
		}
		return closedLoop(ctx, p.db.pids(), callers, h.lasting(share), func(ctx context.Context, _ int) error {
			if n := rand.N(2 * len(p.past)); n < len(p.past) { //nolint:gosec // any will do
				return read(ctx, p.past[n], mcptasks.StatusCompleted)
			}
			return read(ctx, p.new[rand.N(len(p.new))], mcptasks.StatusWorking) //nolint:gosec // any will do
		})
	}
}

// renew creates working tasks. A poll checks a task that has not changed for a while more
// closely, which is not measured here.
func (p *polled) renew(ctx context.Context) (err error) {
	p.new, err = createAll(ctx, p.node, p.fresh)
	if err == nil {
		_, err = p.db.pool.Exec(ctx, "VACUUM ANALYZE "+tasksTable)
	}
	p.db.checkpoint(ctx)
	return err
}

func (p *polled) get(ctx context.Context, id string, want mcptasks.Status) error {
	task, err := p.node.Get(ctx, "", id)
	if err != nil {
		return err
	}
	if task.ID != id || task.Status != want || (want == mcptasks.StatusCompleted) != (task.Outcome != nil) {
		return fmt.Errorf("the task %s, %s, was read as %+v", id, want, task)
	}
	return nil
}

func (p *polled) selectStatus(ctx context.Context, id string, want mcptasks.Status) error {
	var status mcptasks.Status
	err := p.db.pool.QueryRow(ctx, `SELECT status FROM `+tasksTable+` WHERE id = $1`, id).Scan(&status)
	if err == nil && status != want {
		err = fmt.Errorf("the task %s is %s, not %s", id, status, want)
	}
	return err
}
