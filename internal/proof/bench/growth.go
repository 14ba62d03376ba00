//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
)

// fewTasks is the number of finished tasks in the small database.
const fewTasks = 10_000

// An operation is done again and again on a database in each round.
type operation struct {
	name string
	do   func(h *harness, ctx context.Context, g *grown) (*work, error)
}

// operations are in the order of a round: the drain works what create_8 created.
var operations = []operation{
	{"create_8", (*harness).createGrown},
	{"drain", (*harness).drainGrown},
	{"poll_64", (*harness).pollGrown},
	{"list", (*harness).listGrown},
}

// growth compares the operations on a database with many finished tasks with the same
// operations on one with few. It returns the rounds of the operation with the lowest
// ratio.
func growth(ctx context.Context, h *harness) (_ *samples, err error) {
	var sides [2]*grown
	for i, past := range []int{h.past, fewTasks} {
		if sides[i], err = h.grow(ctx, past); err != nil {
			return nil, err
		}
		defer closing(&err, sides[i].close)
	}
	ratios := make([]ratio, len(operations))
	for round := range h.growthRounds + 1 {
		if round == 1 { // the round before warmed up
			clear(ratios)
		}
		if err := h.growthRound(ctx, round, sides, ratios); err != nil {
			return nil, err
		}
	}
	worst := 0
	var said []string
	for i, op := range operations {
		median := figures.Median(ratios[i].ratios)
		if median < figures.Median(ratios[worst].ratios) {
			worst = i
		}
		said = append(said, op.name+" "+figures.Format(median))
	}
	h.logf("%s", strings.Join(said, ", "))
	return ratios[worst].samples(), nil
}

func (h *harness) growthRound(ctx context.Context, round int, sides [2]*grown, ratios []ratio) error {
	for i, op := range operations {
		var done [2]*work
		for turn := range sides {
			side := (round + turn) % 2
			var err error
			if done[side], err = op.do(h, ctx, sides[side]); err != nil {
				return fmt.Errorf("%s with %d tasks: %w", op.name, sides[side].past, err)
			}
		}
		ratios[i].add((*work).rate, done)
		h.logf("round %d: %s %s", round, op.name, ratios[i].last())
	}
	return errors.Join(sides[0].restore(ctx), sides[1].restore(ctx))
}

func (h *harness) createGrown(ctx context.Context, g *grown) (*work, error) {
	return eachOnce(ctx, g.db.pids(), 8, h.grownTasks, func(ctx context.Context, _ int) error {
		_, err := g.node.Create(ctx, "", call())
		return err
	})
}

func (h *harness) drainGrown(ctx context.Context, g *grown) (*work, error) {
	done, err := drainNode(ctx, g.db, g.node, g.begin(h.grownTasks))
	if err = errors.Join(err, g.node.Stop(ctx)); err != nil {
		return nil, err
	}
	return done, g.db.expect(ctx, h.grownTasks,
		`SELECT count(*) FROM `+tasksTable+` WHERE status = 'completed' AND tool = 'noop' AND run_seq = 1 AND created_at > $1`, g.until)
}

// pollGrown polls the newest tasks, the same number in any past: clients poll a task
// until it has ended. Old tasks would be read from disk, which is not measured here.
func (h *harness) pollGrown(ctx context.Context, g *grown) (*work, error) {
	return closedLoop(ctx, g.db.pids(), 64, h.duration, func(ctx context.Context, _ int) error {
		id := pastID(g.past - rand.IntN(fewTasks)) //nolint:gosec // any will do
		task, err := g.node.Get(ctx, "", id)
		if err == nil && (task.Status != mcptasks.StatusCompleted || task.Outcome == nil) {
			err = fmt.Errorf("the task %s was read as %+v", id, task)
		}
		return err
	})
}

func (h *harness) listGrown(ctx context.Context, g *grown) (*work, error) {
	return closedLoop(ctx, g.db.pids(), 8, h.duration, func(ctx context.Context, _ int) error {
		page, err := g.node.List(ctx, "", g.pages[rand.IntN(len(g.pages))], 0) //nolint:gosec // any will do
		if err == nil && len(page.Tasks) != listPage {
			err = fmt.Errorf("a page has %d tasks, not %d", len(page.Tasks), listPage)
		}
		return err
	})
}
