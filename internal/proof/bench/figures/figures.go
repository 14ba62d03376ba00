// Package figures holds the results of a benchmark: for each figure its value, its
// spread over the rounds, the CPU time behind it, and whether it meets its goal.
package figures

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Goal is a lower or an upper bound of a figure.
type Goal struct {
	bound  float64
	atMost bool
}

// AtLeast is the goal of a figure that is better the higher it is.
func AtLeast(bound float64) Goal { return Goal{bound: bound} }

// AtMost is the goal of a figure that is better the lower it is.
func AtMost(bound float64) Goal { return Goal{bound: bound, atMost: true} }

// Met reports whether the value meets the goal.
func (g Goal) Met(value float64) bool {
	if g.atMost {
		return value <= g.bound
	}
	return value >= g.bound
}

func (g Goal) String() string {
	sign := "≥"
	if g.atMost {
		sign = "≤"
	}
	return sign + " " + strconv.FormatFloat(g.bound, 'f', -1, 64)
}

// MarshalText returns the goal as a table shows it.
func (g Goal) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Ratio stands in place of a unit in a figure that is a ratio.
const Ratio = "ratio"

// A Figure is the name of something measured, its unit, and its goal.
type Figure struct {
	Name string
	Unit string
	Goal Goal
}

// A Row is a figure as it was measured.
type Row struct {
	Name   string     `json:"name"`
	Value  float64    `json:"value"` // the median of the rounds
	Unit   string     `json:"unit"`
	Spread [2]float64 `json:"spread"` // the lowest and the highest round
	Goal   Goal       `json:"goal"`
	OK     *bool      `json:"ok"`  // null if it was measured too shortly to be judged
	CPU    *CPU       `json:"cpu"` // null if it is unknown, or the figure is no ratio
}

// CPU is the CPU time of an operation on both sides of a ratio, in microseconds: that of
// the processes that take part, the database's included. Machines agree in it better
// than in wall time.
type CPU struct {
	Ours     float64 `json:"ours_us"`     // the median of the rounds
	Baseline float64 `json:"baseline_us"` // the median of the rounds
	Ratio    float64 `json:"ratio"`       // of ours to the baseline's, the median of the rounds
}

// NewCPU returns what the rounds gave for both sides, at least one round.
func NewCPU(ours, baseline []float64) *CPU {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / baseline[i]
	}
	return &CPU{Ours: Median(ours), Baseline: Median(baseline), Ratio: Median(ratios)}
}

// Row returns the figure with the values of its rounds, at least one. Its OK is nil
// unless it is judged.
func (f Figure) Row(rounds []float64, judged bool) Row {
	row := Row{
		Name: f.Name, Unit: f.Unit, Goal: f.Goal,
		Value:  Median(rounds),
		Spread: [2]float64{slices.Min(rounds), slices.Max(rounds)},
	}
	if judged {
		ok := f.Goal.Met(row.Value)
		row.OK = &ok
	}
	return row
}

// Median returns the median of at least one value.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Quantile returns the q-quantile of at least one value: the smallest one that is not
// exceeded by a share q of them.
func Quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(at, 0)]
}

// Format returns a value with three digits.
func Format(value float64) string {
	switch {
	case value >= 100:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}
