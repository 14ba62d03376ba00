package workers

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// database is the part of a store that a heartbeat uses.
type database struct {
	taskstore.Backend
	away  atomic.Bool
	ahead atomic.Int64 // by how much its clock is
}

func (d *database) Heartbeat(context.Context, driver.Node) (time.Time, error) {
	if d.away.Load() {
		return time.Time{}, errors.New("the database is away")
	}
	return time.Now().Add(time.Duration(d.ahead.Load())), nil
}

// withHeartbeats runs fn while heartbeats are sent each second, by the fake clock of a
// synctest bubble.
func withHeartbeats(t *testing.T, fn func(h *heartbeat, db *database, cutOffs *atomic.Int32)) {
	synctest.Test(t, func(t *testing.T) {
		db := &database{}
		h := &heartbeat{store: db, config: &config.Config{HeartbeatInterval: time.Second}, log: slog.New(slog.DiscardHandler)}
		if err := h.send(t.Context()); err != nil {
			t.Fatal(err)
		}
		var cutOffs atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.run(ctx, func() { cutOffs.Add(1) })
		}()
		fn(h, db, &cutOffs)
		stop()
		<-done
	})
}

func pass(d time.Duration) {
	time.Sleep(d) // the bubble's clock
	synctest.Wait()
}

// A node treats another one as dead only after its own heartbeats have succeeded for a
// whole lease: an outage of the database must not look like the death of all nodes.
func TestSteadyAfterALease(t *testing.T) {
	withHeartbeats(t, func(h *heartbeat, db *database, _ *atomic.Int32) {
		if h.steady() {
			t.Error("steady at its first heartbeat")
		}
		pass(2500 * time.Millisecond)
		if h.steady() {
			t.Error("steady before a lease has passed")
		}
		pass(time.Second)
		if !h.steady() {
			t.Error("not steady after a lease of heartbeats")
		}

		db.away.Store(true)
		pass(1500 * time.Millisecond)
		if h.steady() {
			t.Error("steady though the last heartbeat failed")
		}
		pass(10 * time.Second)
		db.away.Store(false)
		pass(2500 * time.Millisecond)
		if h.steady() {
			t.Error("steady right after an outage")
		}
		pass(2 * time.Second)
		if !h.steady() {
			t.Error("not steady a lease after an outage")
		}
	})
}

// A node that cannot send a heartbeat for a lease ends its runs: the others treat it as
// dead.
func TestCutOff(t *testing.T) {
	withHeartbeats(t, func(_ *heartbeat, db *database, cutOffs *atomic.Int32) {
		pass(10 * time.Second)
		if n := cutOffs.Load(); n != 0 {
			t.Fatalf("cut off %d times though its heartbeats succeeded", n)
		}
		db.away.Store(true)
		pass(2500 * time.Millisecond)
		if n := cutOffs.Load(); n != 0 {
			t.Errorf("cut off %d times before its lease had passed", n)
		}
		pass(3 * time.Second)
		if cutOffs.Load() == 0 {
			t.Error("not cut off after its lease")
		}
	})
}

// When the database's clock jumps, the last heartbeats of all nodes seem old, or in the
// future. A node that was steady must find that out when it is asked to confirm it, and is
// not steady again until all living nodes have sent another heartbeat.
func TestClockJump(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 600 * time.Millisecond} {
		withHeartbeats(t, func(h *heartbeat, db *database, _ *atomic.Int32) {
			pass(10 * time.Second)
			if !h.confirm(context.Background()) {
				t.Fatal("not steady though nothing happened")
			}
			db.ahead.Store(int64(jump))
			if h.confirm(context.Background()) {
				t.Errorf("steady after a jump of %s", jump)
			}
			pass(2500 * time.Millisecond)
			if h.confirm(context.Background()) {
				t.Errorf("steady before a lease has passed since a jump of %s", jump)
			}
			pass(2 * time.Second)
			if !h.confirm(context.Background()) {
				t.Errorf("not steady a lease after a jump of %s", jump)
			}
		})
	}
}

// A clock that is wrong by a little, or runs a little too fast, is no jump.
func TestClockDrift(t *testing.T) {
	withHeartbeats(t, func(h *heartbeat, db *database, _ *atomic.Int32) {
		for range 20 {
			pass(time.Second)
			db.ahead.Add(int64(100 * time.Millisecond))
		}
		if !h.confirm(context.Background()) {
			t.Error("not steady though the clock only drifts")
		}
	})
}

// While the database's clock and this machine's differ by more than a lease, nothing
// ends by this machine's.
func TestClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{time.Hour, -time.Hour} {
		withHeartbeats(t, func(h *heartbeat, db *database, _ *atomic.Int32) {
			far := func() bool { _, far := h.ahead(); return far }
			db.ahead.Store(int64(2 * time.Second))
			pass(2 * time.Second)
			if far() {
				t.Error("two seconds are too far apart for a lease of three")
			}
			db.ahead.Store(int64(apart))
			pass(2 * time.Second)
			if ahead, far := h.ahead(); !far || ahead != apart {
				t.Errorf("the clocks are %s apart, and are said to be %s, too far: %t", apart, ahead, far)
			}
			db.ahead.Store(0)
			pass(2 * time.Second)
			if far() {
				t.Error("clocks that agree again are still too far apart")
			}
		})
	}
}
