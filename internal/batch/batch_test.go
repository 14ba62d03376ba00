package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errLocked, errRejected = errors.New("locked"), errors.New("rejected")

// A ledger is what the Batcher under test writes to.
type ledger struct {
	mu       sync.Mutex
	batches  [][]int
	locked   map[int]int // how often each is still found locked
	err      func(calls []int) error
	took     time.Duration
	inFlight int
	most     int
}

func (l *ledger) run(_ context.Context, calls []int) ([]Result[int], error) {
	l.mu.Lock()
	l.batches = append(l.batches, slices.Clone(calls))
	l.inFlight++
	l.most = max(l.most, l.inFlight)
	l.mu.Unlock()
	time.Sleep(l.took)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if l.err != nil {
		if err := l.err(calls); err != nil {
			return nil, err
		}
	}
	results := make([]Result[int], len(calls))
	for i, call := range calls {
		results[i].Out = 10 * call
		if l.locked[call] > 0 {
			l.locked[call]--
			results[i] = Result[int]{Err: errLocked}
		}
	}
	return results, nil
}

func (l *ledger) options() Options[int, int] {
	return Options[int, int]{
		MaxInFlight: 2,
		Run:         l.run,
		Key:         func(call int) string { return fmt.Sprint(call) },
		Size:        func(int) int { return 1 << 20 },
		Locked:      func(err error) bool { return errors.Is(err, errLocked) },
		Rejected:    func(err error) bool { return errors.Is(err, errRejected) },
	}
}

// serial returns a Batcher with one batch in flight and calls without a size.
func (l *ledger) serial() *Batcher[int, int] {
	options := l.options()
	options.MaxInFlight, options.Size = 1, func(int) int { return 0 }
	return New(options)
}

// all does the calls at once and returns what each got.
func all(t *testing.T, b *Batcher[int, int], calls ...int) map[int]error {
	var mu sync.Mutex
	errs := make(map[int]error)
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			out, err := b.Do(t.Context(), call)
			if err == nil && out != 10*call {
				err = fmt.Errorf("call %d got %d", call, out)
			}
			mu.Lock()
			defer mu.Unlock()
			errs[call] = err
		})
	}
	wg.Wait()
	return errs
}

func TestConcurrentCallsShareBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second}
		var calls []int
		for n := range 8 {
			calls = append(calls, n)
		}
		start := time.Now()
		for call, err := range all(t, New(l.options()), calls...) {
			if err != nil {
				t.Errorf("call %d: %v", call, err)
			}
		}
		// Two are in flight at once, of a megabyte a call; the others gather meanwhile.
		if took := time.Since(start); took > 2*time.Second || l.most != 2 || len(l.batches) > 4 {
			t.Errorf("%v, at most %d at once, in %v", l.batches, l.most, took)
		}
		for _, batch := range l.batches {
			if len(batch)<<20 > maxBytes {
				t.Errorf("a batch of %d MiB", len(batch))
			}
		}
	})
}

func TestCallsOfOneKeyFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second}
		b := l.serial()
		all(t, b, 1, 2, 2, 2, 3)
		for _, batch := range l.batches {
			slices.Sort(batch)
			if len(slices.Compact(slices.Clone(batch))) != len(batch) {
				t.Errorf("a batch of %v", batch)
			}
		}
	})
}

func TestRejectedCallFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second, err: func(calls []int) error {
			if slices.Contains(calls, 3) {
				return fmt.Errorf("no: %w", errRejected)
			}
			return nil
		}}
		for call, err := range all(t, New(l.options()), 1, 2, 3, 4, 5, 6) {
			if got := errors.Is(err, errRejected); got != (call == 3) {
				t.Errorf("call %d: %v", call, err)
			}
		}
	})
}

// Nobody knows whether a batch was executed that ended with an unknown error, a lost
// connection for example. A second try could do its work twice.
func TestBatchIsNotRepeatedAfterAnUnknownError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("connection reset")
		l := &ledger{took: time.Second, err: func([]int) error { return lost }}
		for call, err := range all(t, New(l.options()), 1, 2, 3, 4, 5, 6) {
			if !errors.Is(err, lost) {
				t.Errorf("call %d: %v", call, err)
			}
		}
		count := make(map[int]int)
		for _, batch := range l.batches {
			for _, call := range batch {
				if count[call]++; count[call] > 1 {
					t.Errorf("call %d was run again", call)
				}
			}
		}
	})
}

func TestLockedCallKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{locked: map[int]int{1: 20}}
		b := New(l.options())
		done := make(chan error, 1)
		go func() {
			_, err := b.Do(t.Context(), 1)
			done <- err
		}()
		for n := 2; n < 100; n++ {
			if _, err := b.Do(t.Context(), n); err != nil {
				t.Error(err)
			}
		}
		select {
		case err := <-done:
			t.Errorf("done while it was locked: %v", err)
		default:
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A write has a limit, whatever its caller's context: what somebody holds for ever is
// still locked then, and a batch that hangs fails.
func TestWritesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{locked: map[int]int{1: 1 << 30}}
		options := l.options()
		options.Writes = true
		b := New(options)
		began := time.Now()
		if _, err := b.Do(t.Context(), 1); !errors.Is(err, errLocked) {
			t.Errorf("held by somebody for ever: %v", err)
		}
		if took := time.Since(began); took < limit || took > limit+time.Second {
			t.Errorf("it took %s", took)
		}
		options.Run = func(ctx context.Context, _ []int) ([]Result[int], error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for call, err := range all(t, New(options), 1, 2, 3) { // the first is run by its caller, the others by a goroutine
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call %d, which hangs: %v", call, err)
			}
		}
		if took := time.Since(began); took > 4*limit {
			t.Errorf("all took %s", took)
		}
	})
}

func TestCallerThatGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second}
		b := l.serial()
		go func() { _, _ = b.Do(t.Context(), 1) }()
		synctest.Wait() // it is in flight
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := b.Do(ctx, 2)
			gone <- err
		}()
		stays := make(chan error)
		go func() {
			_, err := b.Do(t.Context(), 3)
			stays <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that goes: %v", err)
		}
		if err := <-stays; err != nil {
			t.Errorf("the one that stays: %v", err)
		}
		for _, batch := range l.batches {
			if slices.Contains(batch, 2) {
				t.Errorf("run for nobody: %v", batch)
			}
		}
	})
}

// A batch that panics is no longer in flight.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{err: func(calls []int) error {
			if slices.Contains(calls, 0) {
				panic("no")
			}
			return nil
		}}
		b := New(l.options())
		for range 5 {
			func() {
				defer func() { _ = recover() }()
				_, _ = b.Do(t.Context(), 0)
			}()
		}
		if _, err := b.Do(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
}

// Callers that a batch has served call again. They share the next batch: the first of
// them does not get a batch of its own for which the others wait.
func TestServedCallersShareTheNextBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Millisecond}
		b := l.serial()
		const callers, rounds = 16, 100
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for round := range rounds {
					if _, err := b.Do(t.Context(), caller*rounds+round); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if one, two := rounds, 2*rounds; len(l.batches) > (one+4*two)/5 { // two is one by itself and the others after it
			t.Errorf("%d rounds of %d callers took %d batches, want few more than one a round", rounds, callers, len(l.batches))
		}
	})
}
