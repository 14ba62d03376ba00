package load

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy, most atomic.Int64
		result, err := Closed(t.Context(), 4, time.Second, func(context.Context, int) error {
			if n := busy.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(300 * time.Millisecond)
			busy.Add(-1)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// Four rounds of calls: the last begins before the second is over, and counts with the time it takes.
		if len(result.Took) != 16 || result.Elapsed != 1200*time.Millisecond || most.Load() != 4 {
			t.Errorf("%d calls in %s, %d at once; want 16 in 1.2s, 4 at once", len(result.Took), result.Elapsed, most.Load())
		}
		if got := result.Milliseconds(0.99); got != 300 {
			t.Errorf("the slowest took %v ms, want 300", got)
		}
	})
}

func TestEach(t *testing.T) {
	result, err := Each(t.Context(), 3, 10, func(context.Context, int) error { return nil })
	if err != nil || len(result.Took) != 10 {
		t.Errorf("%d calls, %v, want 10", len(result.Took), err)
	}
}

func TestFirstErrorEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		_, err := Closed(t.Context(), 8, time.Hour, func(ctx context.Context, caller int) error {
			if caller == 3 {
				return broken
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, broken) {
			t.Errorf("the error is %v, want the first", err)
		}
	})
}

// Arrivals do not wait for one another: what is slow is not spared its own queue.
func TestArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy, most atomic.Int64
		result, err := Arrivals(t.Context(), 400, 20, func(context.Context) error {
			if n := busy.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			busy.Add(-1)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if perSecond := 400 / (result.Elapsed - time.Second).Seconds(); perSecond < 18 || perSecond > 22 {
			t.Errorf("%v arrived a second, want 20", perSecond)
		}
		if most.Load() < 20 {
			t.Errorf("at most %d were under way at once, each taking a second, want as many as arrive in one", most.Load())
		}
	})
}

func TestArrivalsReturnTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		if _, err := Arrivals(t.Context(), 400, 20, func(context.Context) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("the error is %v", err)
		}
	})
}
