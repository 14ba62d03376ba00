package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks"
)

// A ledger is what the joiner under test writes to.
type ledger struct {
	mu      sync.Mutex
	flushes [][]int
	busy    map[int]int // how often each is still busy
	err     func(calls []int) error
	took    time.Duration
	flying  int
	most    int
}

func (l *ledger) flush(_ context.Context, calls []int) ([]Result[int], error) {
	l.mu.Lock()
	l.flushes = append(l.flushes, slices.Clone(calls))
	l.flying++
	l.most = max(l.most, l.flying)
	l.mu.Unlock()
	time.Sleep(l.took)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying--
	if l.err != nil {
		if err := l.err(calls); err != nil {
			return nil, err
		}
	}
	results := make([]Result[int], len(calls))
	for i, call := range calls {
		results[i].Out = 10 * call
		if l.busy[call] > 0 {
			l.busy[call]--
			results[i] = Result[int]{Err: ErrBusy}
		}
	}
	return results, nil
}

func (l *ledger) joiner() *joiner[int, int] {
	return &joiner[int, int]{
		flights: 2,
		flush:   l.flush,
		taken:   func(int) {},
		subject: func(call int) string { return fmt.Sprint(call) },
		size:    func(int) int { return 1 << 20 },
	}
}

// all does the calls at once and returns what each got.
func all(t *testing.T, j *joiner[int, int], calls ...int) map[int]error {
	var mu sync.Mutex
	errs := make(map[int]error)
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			out, err := j.do(t.Context(), call)
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

func TestJoinedAreFewFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second}
		var calls []int
		for n := range 8 {
			calls = append(calls, n)
		}
		start := time.Now()
		for call, err := range all(t, l.joiner(), calls...) {
			if err != nil {
				t.Errorf("call %d: %v", call, err)
			}
		}
		// Two are in flight at once, of a megabyte a call; the others gather meanwhile.
		if took := time.Since(start); took > 2*time.Second || l.most != 2 || len(l.flushes) > 4 {
			t.Errorf("%v, at most %d at once, in %v", l.flushes, l.most, took)
		}
		for _, flush := range l.flushes {
			if len(flush)<<20 > flushBytes {
				t.Errorf("a flush of %d MiB", len(flush))
			}
		}
	})
}

func TestJoinedOfOneSubjectFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second}
		j := l.joiner()
		j.flights, j.size = 1, func(int) int { return 0 }
		all(t, j, 1, 2, 2, 2, 3)
		for _, flush := range l.flushes {
			slices.Sort(flush)
			if len(slices.Compact(slices.Clone(flush))) != len(flush) {
				t.Errorf("a flush of %v", flush)
			}
		}
	})
}

func TestJoinedThatIsRefusedFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second, err: func(calls []int) error {
			if slices.Contains(calls, 3) {
				return fmt.Errorf("no: %w", mcptasks.ErrInvalid)
			}
			return nil
		}}
		for call, err := range all(t, l.joiner(), 1, 2, 3, 4, 5, 6) {
			if got := errors.Is(err, mcptasks.ErrInvalid); got != (call == 3) {
				t.Errorf("call %d: %v", call, err)
			}
		}
	})
}

// Whether a flush was done that a lost connection ended, nobody knows: a second try
// would find that its tasks have gone on.
func TestJoinedIsNotRepeatedAfterALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("connection reset")
		l := &ledger{took: time.Second, err: func([]int) error { return lost }}
		for call, err := range all(t, l.joiner(), 1, 2, 3, 4, 5, 6) {
			if !errors.Is(err, lost) {
				t.Errorf("call %d: %v", call, err)
			}
		}
		count := make(map[int]int)
		for _, flush := range l.flushes {
			for _, call := range flush {
				if count[call]++; count[call] > 1 {
					t.Errorf("call %d was flushed again", call)
				}
			}
		}
	})
}

func TestJoinedThatIsBusyKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{busy: map[int]int{1: 20}}
		j := l.joiner()
		done := make(chan error, 1)
		go func() {
			_, err := j.do(t.Context(), 1)
			done <- err
		}()
		for n := 2; n < 100; n++ {
			if _, err := j.do(t.Context(), n); err != nil {
				t.Error(err)
			}
		}
		select {
		case err := <-done:
			t.Errorf("done while it was busy: %v", err)
		default:
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A write has a limit, whatever its caller's context: what somebody holds for ever is
// busy then, and a flush that hangs fails.
func TestJoinedWritesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{busy: map[int]int{1: 1 << 30}}
		j := l.joiner()
		j.writes = true
		began := time.Now()
		if _, err := j.do(t.Context(), 1); !errors.Is(err, ErrBusy) {
			t.Errorf("held by somebody for ever: %v", err)
		}
		if took := time.Since(began); took < flushLimit || took > flushLimit+time.Second {
			t.Errorf("it took %s", took)
		}
		j.flush = func(ctx context.Context, _ []int) ([]Result[int], error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for call, err := range all(t, j, 1, 2, 3) { // the first is flushed by its caller, the others by a flight
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call %d, which hangs: %v", call, err)
			}
		}
		if took := time.Since(began); took > 4*flushLimit {
			t.Errorf("all took %s", took)
		}
	})
}

func TestJoinedWhoseCallerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Second}
		j := l.joiner()
		j.flights, j.size = 1, func(int) int { return 0 }
		go func() { _, _ = j.do(t.Context(), 1) }()
		synctest.Wait() // it is in flight
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := j.do(ctx, 2)
			gone <- err
		}()
		stays := make(chan error)
		go func() {
			_, err := j.do(t.Context(), 3)
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
		for _, flush := range l.flushes {
			if slices.Contains(flush, 2) {
				t.Errorf("flushed for nobody: %v", flush)
			}
		}
	})
}

// A flush that panics takes its caller down and no place in the air with it.
func TestJoinedThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{err: func(calls []int) error {
			if slices.Contains(calls, 0) {
				panic("no")
			}
			return nil
		}}
		j := l.joiner()
		for range 5 {
			func() {
				defer func() { _ = recover() }()
				_, _ = j.do(t.Context(), 0)
			}()
		}
		if _, err := j.do(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
}

// Callers that a flush has served call again: they share the next flush, and the
// first of them does not take a flight for itself while the others wait for it.
func TestServedCallersFlyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{took: time.Millisecond}
		j := l.joiner()
		j.flights, j.size = 1, func(int) int { return 0 }
		const callers, rounds = 16, 100
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for round := range rounds {
					if _, err := j.do(t.Context(), caller*rounds+round); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if one, two := rounds, 2*rounds; len(l.flushes) > (one+4*two)/5 { // two is one by itself and the others after it
			t.Errorf("%d rounds of %d callers took %d flushes, want few more than one a round", rounds, callers, len(l.flushes))
		}
	})
}
