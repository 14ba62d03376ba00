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
	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
)

// fewTasks is how many finished tasks the database has that the large one is held to.
const fewTasks = 10_000

// A deed is something done on a database again and again, as often as a round has it.
type deed struct {
	name string
	do   func(l *lab, ctx context.Context, g *grown) (perSecond float64, err error)
}

// deeds are in the order in which a round does them: what was created is drained.
var deeds = []deed{
	{"create_8", (*lab).createGrown},
	{"drain", (*lab).drainGrown},
	{"poll_64", (*lab).pollGrown},
	{"list", (*lab).listGrown},
}

// growth compares creates, the drain of what was created, polls, and pages of the list
// on a database with many finished tasks with the same on one with few. It returns the
// rounds of that which suffers most.
func growth(ctx context.Context, l *lab) (_ []float64, err error) {
	var sides [2]*grown
	for i, past := range []int{l.past, fewTasks} {
		if sides[i], err = l.grow(ctx, past); err != nil {
			return nil, err
		}
		defer closing(&err, sides[i].close)
	}
	ratios := make(map[string][]float64)
	for round := range l.growthRounds + 1 { // the first warms up
		got, err := l.growthRound(ctx, round, sides)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			for name, ratio := range got {
				ratios[name] = append(ratios[name], ratio)
			}
		}
	}
	worst := deeds[0].name
	var said []string
	for _, d := range deeds {
		if figures.Median(ratios[d.name]) < figures.Median(ratios[worst]) {
			worst = d.name
		}
		said = append(said, d.name+" "+figures.Format(figures.Median(ratios[d.name])))
	}
	l.say("%s", strings.Join(said, ", "))
	return ratios[worst], nil
}

func (l *lab) growthRound(ctx context.Context, round int, sides [2]*grown) (map[string]float64, error) {
	ratios := make(map[string]float64)
	for _, d := range deeds {
		var got [2]float64
		for turn := range sides {
			side := (round + turn) % 2
			value, err := d.do(l, ctx, sides[side])
			if err != nil {
				return nil, fmt.Errorf("%s with %d tasks: %w", d.name, sides[side].past, err)
			}
			got[side] = value
		}
		ratios[d.name] = got[0] / got[1]
		l.say("round %d: %s %s ÷ %s = %s", round, d.name, figures.Format(got[0]), figures.Format(got[1]), figures.Format(ratios[d.name]))
	}
	return ratios, errors.Join(sides[0].restore(ctx), sides[1].restore(ctx))
}

func (l *lab) createGrown(ctx context.Context, g *grown) (float64, error) {
	return rate(load.Each(ctx, 8, l.grownTasks, func(ctx context.Context, _ int) error {
		_, err := g.node.Create(ctx, "", call())
		return err
	}))
}

func (l *lab) drainGrown(ctx context.Context, g *grown) (float64, error) {
	elapsed, err := drainNode(ctx, g.db, g.node, g.begin(l.grownTasks))
	if err = errors.Join(err, g.node.Stop(ctx)); err != nil {
		return 0, err
	}
	return float64(l.grownTasks) / elapsed.Seconds(), g.db.expect(ctx, l.grownTasks,
		`SELECT count(*) FROM `+tasksTable+` WHERE status = 'completed' AND tool = 'noop' AND run_seq = 1 AND created_at > $1`, g.until)
}

// pollGrown polls the newest, of which there are as many in any past: a task is polled
// until it has ended. What was not read for long may have to come from a disk, which
// is not what grows here.
func (l *lab) pollGrown(ctx context.Context, g *grown) (float64, error) {
	return rate(load.Closed(ctx, 64, l.duration, func(ctx context.Context, _ int) error {
		id := pastID(g.past - rand.IntN(fewTasks)) //nolint:gosec // any will do
		task, err := g.node.Get(ctx, "", id)
		if err == nil && (task.Status != mcptasks.StatusCompleted || task.Outcome == nil) {
			err = fmt.Errorf("the task %s was read as %+v", id, task)
		}
		return err
	}))
}

func (l *lab) listGrown(ctx context.Context, g *grown) (float64, error) {
	return rate(load.Closed(ctx, 8, l.duration, func(ctx context.Context, _ int) error {
		page, err := g.node.List(ctx, "", g.pages[rand.IntN(len(g.pages))], 0) //nolint:gosec // any will do
		if err == nil && len(page.Tasks) != listPage {
			err = fmt.Errorf("a page has %d tasks, not %d", len(page.Tasks), listPage)
		}
		return err
	}))
}
