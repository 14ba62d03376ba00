package workers

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// maintained is the part of a store that the maintenance loops use. It notes the calls.
type maintained struct {
	database
	running []driver.Job
	calls   []string
}

func (m *maintained) note(format string, args ...any) {
	m.calls = append(m.calls, fmt.Sprintf(format, args...))
}

func (m *maintained) Reap(_ context.Context, by string, lease time.Duration, _ func() bool) (int, error) {
	m.note("reap by %s %s", by, lease)
	return 0, nil
}

func (m *maintained) Sweep(_ context.Context, settled time.Duration) error {
	m.note("sweep %s", settled)
	return nil
}

func (m *maintained) Repair(_ context.Context, settled time.Duration) error {
	m.note("repair %s", settled)
	return nil
}

func (m *maintained) Prune(_ context.Context, age time.Duration) error {
	m.note("prune %s", age)
	return nil
}

func (m *maintained) Forget(_ context.Context, node string) error {
	m.note("forget %s", node)
	return nil
}

func (m *maintained) RunningOn(context.Context, string) ([]driver.Job, error) { return m.running, nil }

func (m *maintained) RecoverLost(_ context.Context, lost driver.Job, _ string) (bool, error) {
	m.note("recover %d", lost.ID)
	return true, nil
}

// interval is a heartbeat interval that is not the default.
const interval = 7 * time.Second

// maintain runs fn in a synctest bubble, on workers whose heartbeats have been sent for
// longer than a lease.
func maintain(t *testing.T, fn func(t *testing.T, w *Workers, db *maintained)) {
	synctest.Test(t, func(t *testing.T) {
		db := &maintained{}
		w := &Workers{store: db, config: &config.Config{HeartbeatInterval: interval}, nodeID: "here", log: slog.New(slog.DiscardHandler)}
		w.heartbeat = &heartbeat{store: db, config: w.config, log: w.log}
		for range 5 {
			if err := w.heartbeat.send(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(interval)
		}
		fn(t, w, db)
	})
}

func (m *maintained) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if !slices.Equal(m.calls, want) {
		t.Errorf("%s: the calls are %q, want %q", what, m.calls, want)
	}
	m.calls = nil
}

// Each loop uses the lease, which is three heartbeat intervals.
func TestLoopsUseTheLease(t *testing.T) {
	maintain(t, func(t *testing.T, w *Workers, db *maintained) {
		w.reap(t.Context())
		db.want(t, "reap", "reap by here 21s")
		w.sweep(t.Context())
		db.want(t, "sweep", "sweep 21s", "prune 3m30s")
	})
}

// While the clocks differ, nothing is done that depends on the time of day, and a task
// must have stood still for longer to be repaired.
func TestSweepWhileClocksDiffer(t *testing.T) {
	maintain(t, func(t *testing.T, w *Workers, db *maintained) {
		for _, apart := range []time.Duration{time.Hour, -time.Hour} {
			db.ahead.Store(int64(apart))
			if err := w.heartbeat.send(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.sweep(t.Context())
			db.want(t, "clocks that differ", "repair 1h0m21s", "prune 3m30s")
		}
		db.ahead.Store(0)
		if err := w.heartbeat.send(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.sweep(t.Context())
		db.want(t, "clocks that agree again", "sweep 21s", "prune 3m30s")
	})
}

// A node that is not steady itself recovers no other's tasks.
func TestReapOnlyWhileSteady(t *testing.T) {
	maintain(t, func(t *testing.T, w *Workers, db *maintained) {
		time.Sleep(2 * interval)
		w.reap(t.Context())
		db.want(t, "after a gap")
	})
}

// A job that River holds here and that is not here is recovered after a lease.
func TestLostFetches(t *testing.T) {
	maintain(t, func(t *testing.T, w *Workers, db *maintained) {
		lost := lostFetches{workers: w, missing: make(map[int64]time.Time)}
		db.running = []driver.Job{{ID: 1}, {ID: 2}}
		w.jobs = map[int64]struct{}{2: {}}
		const lease = 3 * interval
		began := time.Now()
		for time.Since(began) < 3*lease {
			if err := w.heartbeat.send(t.Context()); err != nil {
				t.Fatal(err)
			}
			lost.recover(t.Context())
			var want []string
			if time.Since(began)-interval >= lease { // the first look only begins
				want = []string{"recover 1"}
			}
			db.want(t, fmt.Sprint("after ", time.Since(began)), want...)
			time.Sleep(interval)
		}
		db.running = nil
		lost.recover(t.Context())
		db.want(t, "no job")
	})
}

// A pass that hangs does not end its loop: its context ends after the limit.
func TestRepeatLimitsEachPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, passes := time.Now(), 0
		repeat(ctx, time.Second, time.Minute, func(pass context.Context) {
			<-pass.Done() // hangs
			if passes++; passes == 3 {
				cancel()
			}
		})
		if took := time.Since(began); took < 3*time.Minute+2700*time.Millisecond || took > 3*time.Minute+3300*time.Millisecond {
			t.Errorf("three passes that hang took %s", took)
		}
	})
}

// stopped is a River client that stops at once.
type stopped struct{ taskstore.WorkClient }

func (stopped) Stop(context.Context) error { return nil }

// Stop returns only when nothing of a run writes any more, and then forgets the node.
func TestStopWaitsForCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &maintained{}
		tools := mcptasks.NewTools()
		caller, err := tools.Internal().NewCaller()
		if err != nil {
			t.Fatal(err)
		}
		w := New(db, tools, config.Default(), "here")
		w.caller, w.client, w.maintenance = caller, stopped{}, &maintenance{cancel: func() {}}
		w.end = func() error { db.note("unlock"); return nil }
		w.later(time.Second, func() {
			time.Sleep(time.Second) // a write
			db.note("written")
		})
		time.Sleep(1500 * time.Millisecond)
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		db.want(t, "stop", "written", "forget here", "unlock")
	})
}
