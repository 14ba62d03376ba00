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

// A measure measures one figure, or several in the same rounds.
type measure struct {
	figures []figures.Figure
	sample  func(ctx context.Context, h *harness) (*samples, error)
}

// samples are what the rounds of a measure gave.
type samples struct {
	values [][]float64  // of each of the figures, by round
	cpu    *figures.CPU // nil if the figure is no ratio, or CPU time cannot be measured
}

// measures returns all measures in the order of the table.
func measures() []measure {
	ratio := func(name string, goal figures.Goal, sample func(context.Context, *harness) (*samples, error)) measure {
		return measure{figures: []figures.Figure{{Name: name, Unit: figures.Ratio, Goal: goal}}, sample: sample}
	}
	one := func(name, unit string, goal figures.Goal, sample func(context.Context, *harness) ([]float64, error)) measure {
		return measure{
			figures: []figures.Figure{{Name: name, Unit: unit, Goal: goal}},
			sample: func(ctx context.Context, h *harness) (*samples, error) {
				rounds, err := sample(ctx, h)
				return &samples{values: [][]float64{rounds}}, err
			},
		}
	}
	return []measure{
		ratio("create_64", figures.AtLeast(1.3), creates(64)),
		ratio("create_8", figures.AtLeast(0.45), creates(8)),
		ratio("create_1", figures.AtMost(3), createLatency),
		ratio("drain", figures.AtLeast(0.5), drain),
		ratio("poll_64", figures.AtLeast(1.2), polls(64)),
		ratio("poll_1", figures.AtLeast(0.75), polls(1)),
		ratio("http_get", figures.AtLeast(3), httpGets),
		ratio("http_call_64", figures.AtLeast(0.7), httpCalls),
		ratio("e2e_512", figures.AtLeast(4), endToEnd),
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
		ratio("growth", figures.AtLeast(0.8), growth),
		one("idle", "/s", figures.AtMost(20), idle),
		ratio("sqlite_create_8", figures.AtLeast(1), sqliteCreates),
		ratio("sqlite_drain", figures.AtLeast(0.5), sqliteDrain),
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

// run measures and returns the figures' rows.
func (m *measure) run(ctx context.Context, h *harness) ([]figures.Row, error) {
	name := m.figures[0].Name
	h.measuring(name)
	begin := time.Now()
	got, err := m.sample(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	h.logf("took %s", time.Since(begin).Round(time.Second))
	var rows []figures.Row
	for i, f := range m.figures {
		row := f.Row(got.values[i], !h.quick)
		row.CPU = got.cpu
		rows = append(rows, row)
	}
	return rows, nil
}

// A side of a ratio does its work once and reports it. The work is as much as a round
// has, or a share of that to warm up.
type side func(ctx context.Context, share float64) (*work, error)

const (
	warmUp = 0.3
	whole  = 1.0
)

func (h *harness) lasting(share float64) time.Duration {
	return time.Duration(share * float64(h.duration))
}

func portion(n int, share float64) int { return max(int(share*float64(n)), 1) }

// ratios warms both sides up, then runs them in turns. The sides alternate in going
// first. It returns each round's ratio of our value to the baseline's.
func (h *harness) ratios(ctx context.Context, value func(*work) float64, ours, baseline side) (*samples, error) {
	sides := [2]side{ours, baseline}
	for _, side := range sides {
		if _, err := side(ctx, warmUp); err != nil {
			return nil, err
		}
	}
	var got ratio
	for round := range h.rounds {
		var done [2]*work
		for turn := range sides {
			i := (round + turn) % 2
			runtime.GC() // no side pays for the other's garbage
			var err error
			if done[i], err = sides[i](ctx, whole); err != nil {
				return nil, err
			}
		}
		got.add(value, done)
		h.logf("round %d: %s", round+1, got.last())
	}
	return got.samples(), nil
}
