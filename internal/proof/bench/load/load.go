// Package load calls a function from many goroutines, in a closed loop or at a given rate,
// and records how long each call took.
package load

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
)

// A Result has the durations of the calls.
type Result struct {
	Took    []time.Duration // of each call
	Elapsed time.Duration   // from the first call's beginning to the last one's end
}

// Milliseconds returns the q-quantile of the calls' durations.
func (r *Result) Milliseconds(q float64) float64 {
	return float64(figures.Quantile(r.Took, q)) / float64(time.Millisecond)
}

// Closed runs a closed loop: each caller calls op again as soon as its last call has
// returned. When the time is over no new call begins; those that have begun count. The
// first error ends the loop.
func Closed(ctx context.Context, callers int, lasting time.Duration, op func(ctx context.Context, caller int) error) (*Result, error) {
	begin := time.Now()
	return closed(ctx, callers, func(int) bool { return time.Since(begin) < lasting }, op)
}

// Each runs a closed loop until op has been called n times.
func Each(ctx context.Context, callers, n int, op func(ctx context.Context, caller int) error) (*Result, error) {
	return closed(ctx, callers, func(begun int) bool { return begun < n }, op)
}

func closed(ctx context.Context, callers int, more func(begun int) bool, op func(ctx context.Context, caller int) error) (*Result, error) {
	took := make([][]time.Duration, callers)
	var mu sync.Mutex
	begun := 0
	next := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if !more(begun) {
			return false
		}
		begun++
		return true
	}
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for caller := range callers {
		group.Go(func() error {
			for next() {
				start := time.Now()
				if err := op(ctx, caller); err != nil {
					return err
				}
				took[caller] = append(took[caller], time.Since(start))
			}
			return nil
		})
	}
	err := group.Wait()
	result := &Result{Elapsed: time.Since(begin)}
	for _, durations := range took {
		result.Took = append(result.Took, durations...)
	}
	return result, err
}

// Arrivals runs an open loop: it calls op n times at random moments, perSecond times a
// second on average, whether or not earlier calls have returned.
func Arrivals(ctx context.Context, n int, perSecond float64, op func(ctx context.Context) error) (*Result, error) {
	result := &Result{Took: make([]time.Duration, n)}
	group, ctx := errgroup.WithContext(ctx)
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same moments in every round
	begin := time.Now()
	due := begin
	for i := range n {
		due = due.Add(time.Duration(random.ExpFloat64() / perSecond * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil, cmp.Or(group.Wait(), context.Cause(ctx))
		}
		group.Go(func() error {
			start := time.Now()
			err := op(ctx)
			result.Took[i] = time.Since(start)
			return err
		})
	}
	err := group.Wait()
	result.Elapsed = time.Since(begin)
	return result, err
}
