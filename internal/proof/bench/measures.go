//go:build unix

package main

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
)

// A measure takes one figure, or several that are seen in the same runs.
type measure struct {
	figures []figures.Figure
	// sample returns what each round gave, for each of the figures.
	sample func(ctx context.Context, h *harness) ([][]float64, error)
}

// measures are all, in the order of the table.
func measures() []measure {
	one := func(name, unit string, goal figures.Goal, sample func(context.Context, *harness) ([]float64, error)) measure {
		return measure{
			figures: []figures.Figure{{Name: name, Unit: unit, Goal: goal}},
			sample: func(ctx context.Context, h *harness) ([][]float64, error) {
				rounds, err := sample(ctx, h)
				return [][]float64{rounds}, err
			},
		}
	}
	return []measure{
		one("create_64", figures.Ratio, figures.AtLeast(1.3), creates(64)),
		one("create_8", figures.Ratio, figures.AtLeast(0.45), creates(8)),
		one("create_1", figures.Ratio, figures.AtMost(3), createLatency),
		one("drain", figures.Ratio, figures.AtLeast(0.5), drain),
		one("poll_64", figures.Ratio, figures.AtLeast(1.2), polls(64)),
		one("poll_1", figures.Ratio, figures.AtLeast(0.75), polls(1)),
		one("http_get", figures.Ratio, figures.AtLeast(3), httpGets),
		one("http_call_64", figures.Ratio, figures.AtLeast(0.7), httpCalls),
		one("e2e_512", figures.Ratio, figures.AtLeast(4), endToEnd),
		{
			figures: []figures.Figure{
				{Name: "e2e_p50", Unit: "ms", Goal: figures.AtMost(5)},
				{Name: "e2e_p99", Unit: "ms", Goal: figures.AtMost(20)},
			},
			sample: latencyPostgres,
		},
		one("e2e_sqlite_p50", "ms", figures.AtMost(60), latencySQLite),
		one("cancel_p99", "ms", figures.AtMost(50), cancels),
		one("recovery", "s", figures.AtMost(6), recovery),
		one("parked_heap", "MB", figures.AtMost(10), parkedHeap),
		one("growth", figures.Ratio, figures.AtLeast(0.8), growth),
		one("idle", "/s", figures.AtMost(20), idle),
		one("sqlite_create_8", figures.Ratio, figures.AtLeast(1), sqliteCreates),
		one("sqlite_drain", figures.Ratio, figures.AtLeast(0.5), sqliteDrain),
	}
}

func (m *measure) matches(wanted *regexp.Regexp) bool {
	for _, f := range m.figures {
		if wanted.MatchString(f.Name) {
			return true
		}
	}
	return false
}

// take measures and returns the figures' rows.
func (m *measure) take(ctx context.Context, h *harness) ([]figures.Row, error) {
	name := m.figures[0].Name
	h.measuring(name)
	begin := time.Now()
	samples, err := m.sample(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	h.logf("took %s", time.Since(begin).Round(time.Second))
	var rows []figures.Row
	for i, f := range m.figures {
		rows = append(rows, f.Row(samples[i], !h.quick))
	}
	return rows, nil
}

// An side is one side of a ratio: it does its work once and returns how it did. What it
// does is as much as a round has, or a share of that to warm up.
type side func(ctx context.Context, share float64) (float64, error)

const (
	warmUp = 0.3
	whole  = 1.0
)

func (h *harness) lasting(share float64) time.Duration {
	return time.Duration(share * float64(h.duration))
}

func portion(n int, share float64) int { return max(int(share*float64(n)), 1) }

// ratios warms both sides up, then runs them in turns, another one first in each round,
// and returns each round's ratio of ours to the baseline.
func (h *harness) ratios(ctx context.Context, rounds int, ours, baseline side) ([]float64, error) {
	for _, a := range []side{ours, baseline} {
		if _, err := a(ctx, warmUp); err != nil {
			return nil, err
		}
	}
	var all []float64
	for round := range rounds {
		got := make([]float64, 2)
		sides := []side{ours, baseline}
		for turn := range sides {
			side := (round + turn) % 2
			runtime.GC() // nobody pays for the other's garbage
			value, err := sides[side](ctx, whole)
			if err != nil {
				return nil, err
			}
			got[side] = value
		}
		all = append(all, got[0]/got[1])
		h.logf("round %d: %s ÷ %s = %s", round+1, figures.Format(got[0]), figures.Format(got[1]), figures.Format(got[0]/got[1]))
	}
	return all, nil
}
