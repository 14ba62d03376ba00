//go:build unix

package main

import (
	"fmt"

	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
)

// A ratio collects the rounds of two sides: ours, and the baseline.
type ratio struct {
	values [2][]float64
	cpu    [2][]float64 // microseconds an operation; none if CPU time cannot be measured
	ratios []float64
}

func (r *ratio) add(value func(*work) float64, done [2]*work) {
	for i, w := range done {
		r.values[i] = append(r.values[i], value(w))
		if w.cpu >= 0 {
			r.cpu[i] = append(r.cpu[i], w.cpuMicros())
		}
	}
	n := len(r.ratios)
	r.ratios = append(r.ratios, r.values[0][n]/r.values[1][n])
}

// last describes the last round.
func (r *ratio) last() string {
	n := len(r.ratios) - 1
	said := fmt.Sprintf("%s ÷ %s = %s", figures.Format(r.values[0][n]), figures.Format(r.values[1][n]), figures.Format(r.ratios[n]))
	if r.cpu[0] != nil {
		said += fmt.Sprintf(", CPU %s ÷ %s µs/op", figures.Format(r.cpu[0][n]), figures.Format(r.cpu[1][n]))
	}
	return said
}

func (r *ratio) samples() *samples {
	s := &samples{values: [][]float64{r.ratios}}
	if r.cpu[0] != nil {
		s.cpu = figures.NewCPU(r.cpu[0], r.cpu[1])
	}
	return s
}
