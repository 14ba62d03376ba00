package workers

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// written is what a progress under test has written, and when.
type written struct {
	mu   sync.Mutex
	done []float64
	at   []time.Duration
}

func newProgress() (*progress, *written) {
	w, start := &written{}, time.Now()
	return &progress{
		write: func(p driver.Progress) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.done, w.at = append(w.done, p.Done), append(w.at, time.Since(start))
		},
		later: func(d time.Duration, fn func()) func() bool { return time.AfterFunc(d, fn).Stop },
	}, w
}

func TestProgressIsCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := newProgress()
		for n := range 1000 { // one a millisecond
			p.report(driver.Progress{Done: float64(n)})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.done) > 11 || w.done[0] != 0 || w.at[0] != 0 || w.done[len(w.done)-1] != 999 || !slices.IsSorted(w.done) {
			t.Errorf("written: %v", w.done)
		}
		for i := 1; i < len(w.at); i++ {
			if gap := w.at[i] - w.at[i-1]; gap < progressInterval {
				t.Errorf("reports %v and %v were written within %v", w.done[i-1], w.done[i], gap)
			}
		}
	})
}

func TestProgressThatIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := newProgress()
		p.report(driver.Progress{Done: 1})
		p.report(driver.Progress{Done: 2})
		p.flush()
		if !slices.Equal(w.done, []float64{1, 2}) {
			t.Errorf("written: %v", w.done)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.done) != 2 {
			t.Errorf("written later: %v", w.done)
		}
	})
}

func TestProgressThatIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := newProgress()
		p.report(driver.Progress{Done: 1})
		p.report(driver.Progress{Done: 2})
		p.drop()
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Equal(w.done, []float64{1}) {
			t.Errorf("written: %v", w.done)
		}
	})
}

func TestProgressOfManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := newProgress()
		var wg sync.WaitGroup
		for n := range 100 {
			wg.Go(func() { p.report(driver.Progress{Done: float64(n)}) })
		}
		wg.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.done) > 2 {
			t.Errorf("%d were written", len(w.done))
		}
	})
}
