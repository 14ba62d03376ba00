//go:build unix

package main

import (
	"context"
	"os"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/bench/cputime"
	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
)

// work is what one side of a ratio did in one turn.
type work struct {
	operations int
	elapsed    time.Duration
	took       []time.Duration // of each operation, if each was timed
	cpu        time.Duration   // negative if it cannot be measured
}

// rate returns operations a second.
func (w *work) rate() float64 { return float64(w.operations) / w.elapsed.Seconds() }

// median returns how many milliseconds an operation took.
func (w *work) median() float64 {
	return float64(figures.Quantile(w.took, 0.5)) / float64(time.Millisecond)
}

// cpuMicros returns the CPU time of an operation in microseconds.
func (w *work) cpuMicros() float64 {
	return float64(w.cpu) / float64(time.Microsecond) / float64(w.operations)
}

// A meter measures the wall time of a turn, and the CPU time of the processes that take
// part in it, with their children.
type meter struct {
	pids  []int // none if CPU time cannot be measured
	begin time.Time
	cpu   time.Duration
}

func startMeter(pids []int) (*meter, error) {
	m := &meter{pids: pids}
	cpu, err := cpuOf(pids)
	if err != nil {
		return nil, err
	}
	m.begin, m.cpu = time.Now(), cpu
	return m, nil
}

func (m *meter) stop(operations int) (*work, error) {
	w := &work{operations: operations, elapsed: time.Since(m.begin), cpu: -1}
	if len(m.pids) == 0 {
		return w, nil
	}
	cpu, err := cpuOf(m.pids)
	w.cpu = cpu - m.cpu
	return w, err
}

func cpuOf(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		cpu, err := cputime.Tree(pid)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// closedLoop calls op as load.Closed does, and measures it.
func closedLoop(ctx context.Context, pids []int, callers int, lasting time.Duration, op func(ctx context.Context, caller int) error) (*work, error) {
	m, err := startMeter(pids)
	if err != nil {
		return nil, err
	}
	result, err := load.Closed(ctx, callers, lasting, op)
	if err != nil {
		return nil, err
	}
	return stopLoop(m, result)
}

// eachOnce calls op as load.Each does, and measures it.
func eachOnce(ctx context.Context, pids []int, callers, n int, op func(ctx context.Context, caller int) error) (*work, error) {
	m, err := startMeter(pids)
	if err != nil {
		return nil, err
	}
	result, err := load.Each(ctx, callers, n, op)
	if err != nil {
		return nil, err
	}
	return stopLoop(m, result)
}

func stopLoop(m *meter, result *load.Result) (*work, error) {
	w, err := m.stop(len(result.Took))
	w.elapsed, w.took = result.Elapsed, result.Took
	return w, err
}

// ourPIDs returns the process whose CPU time counts in a figure on SQLite: this one. It
// returns none where CPU time cannot be read.
func ourPIDs() []int {
	if _, err := cputime.Tree(os.Getpid()); err != nil {
		return nil
	}
	return []int{os.Getpid()}
}
