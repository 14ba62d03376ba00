package workers

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// maintenance is what a started node does besides its runs, each part in a loop of its
// own.
type maintenance struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// startMaintenance starts the loops. The node has sent a heartbeat before.
func (w *Workers) startMaintenance() *maintenance {
	ctx, cancel := context.WithCancel(context.Background())
	m := &maintenance{cancel: cancel}
	m.done.Go(func() { w.heartbeat.run(ctx, w.cutOff) })
	lease := w.config.Lease()
	lost := lostFetches{workers: w, missing: make(map[int64]time.Time)}
	for _, loop := range []struct {
		every time.Duration
		do    func(context.Context)
	}{
		{lease / 10, w.reap},
		{lease / 3, lost.recover},
		{w.lostRunsInterval(), w.endLostRuns},
		{w.config.SweepInterval, w.sweep},
		{burstInterval, w.analyzeAfterBurst},
	} {
		m.done.Go(func() { repeat(ctx, loop.every, loopLimit, loop.do) })
	}
	return m
}

// stop returns when all loops have ended.
func (m *maintenance) stop() {
	m.cancel()
	m.done.Wait()
}

// loopLimit bounds one pass of a loop, which would otherwise end with the first
// connection that hangs.
const loopLimit = 30 * time.Second

// repeat calls fn about every interval until ctx ends, each time with a context that ends
// after limit. The intervals vary by a tenth, so that nodes started together drift apart.
func repeat(ctx context.Context, interval, limit time.Duration, fn func(context.Context)) {
	for {
		select {
		case <-time.After(interval*9/10 + rand.N(interval/5+1)):
			once, cancel := context.WithTimeout(ctx, limit)
			fn(once)
			cancel()
		case <-ctx.Done():
			return
		}
	}
}

// logFailure logs that a pass of a loop failed, unless the node is stopping.
func (w *Workers) logFailure(ctx context.Context, err error) {
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		w.log.WarnContext(ctx, "mcptasks: a maintenance loop failed and will run again", "error", err)
	}
}
