package taskstore

import (
	"context"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks/internal/batch"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// newFenced returns a batcher for writes of runs, which returns whether the run held its
// task. write runs a batch and returns the ids of the tasks that it changed. The others
// have gone to another run or ended, or another transaction has them locked: their calls
// are tried again. of returns a call's fence and how many bytes it carries.
func newFenced[TTx, In any](
	s *Store[TTx],
	maxInFlight int,
	op string,
	write func(ctx context.Context, calls []In, now time.Time) (ids []string, err error),
	of func(In) (fence driver.Fence, size int),
) *batch.Batcher[In, bool] {
	fence := func(call In) driver.Fence { f, _ := of(call); return f }
	return batch.New(batch.Options[In, bool]{
		Key:         func(call In) string { return fence(call).TaskID },
		Size:        func(call In) int { _, size := of(call); return size },
		MaxInFlight: maxInFlight,
		Locked:      isBusy,
		Rejected:    isRejection,
		OnBatch:     s.countBatch(op),
		Writes:      true,
		Run: func(ctx context.Context, calls []In) ([]batch.Result[bool], error) {
			ids, err := write(ctx, calls, s.now())
			if err != nil {
				return nil, err
			}
			results := make([]batch.Result[bool], len(calls))
			if len(ids) == len(calls) { // nearly always
				for i := range results {
					results[i].Out = true
				}
				return results, nil
			}
			fences := make([]driver.Fence, len(calls))
			for i, call := range calls {
				fences[i] = fence(call)
			}
			s.compare(ctx, fences, ids, results)
			return results, nil
		},
	})
}

// compare fills in the results of writes under the fences, of which those to the tasks
// of ids were made.
func (s *Store[TTx]) compare(ctx context.Context, fences []driver.Fence, ids []string, results []batch.Result[bool]) {
	var missed []driver.Fence
	for i, fence := range fences {
		results[i].Out = slices.Contains(ids, fence.TaskID)
		if !results[i].Out {
			missed = append(missed, fence)
		}
	}
	held, err := s.driver.Held(ctx, missed)
	for i, fence := range fences {
		switch {
		case results[i].Out:
		case err != nil: // the other writes are committed
			results[i].Err = err
		case slices.Contains(held, fence.RunToken): // another transaction has the task locked
			results[i].Err = driver.ErrBusy
		}
	}
}
