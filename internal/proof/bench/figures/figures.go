// Package figures is what a benchmark's measurements come to: a value for each, its
// spread over the rounds, and whether it is as good as it has to be.
package figures

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Goal bounds a figure on the side that it must not cross.
type Goal struct {
	bound  float64
	atMost bool
}

// AtLeast is the goal of a figure that is better the higher it is.
func AtLeast(bound float64) Goal { return Goal{bound: bound} }

// AtMost is the goal of a figure that is better the lower it is.
func AtMost(bound float64) Goal { return Goal{bound: bound, atMost: true} }

// Met says whether the value is as good as the goal.
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

// MarshalText makes the goal read in JSON as it does in a table.
func (g Goal) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Ratio is the unit of a figure that is a ratio, and so has none.
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
	OK     *bool      `json:"ok"` // null if it was measured too shortly to be judged
}

// Row returns the figure with what the rounds gave, at least one. A value that is not
// judged is neither good nor bad.
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

// Median returns the middle of at least one value, or the mean of the two there.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Quantile returns the smallest of at least one value that a share q of them does not
// exceed.
func Quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(at, 0)]
}

// Format returns a value with three digits, which is more than two runs agree in.
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
