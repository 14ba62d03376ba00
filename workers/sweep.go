package workers

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// sweeper ends runs that lost their task and were not told: the notification was
// lost, or the database has none.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (w *Workers) startSweeper() *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sweeper{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		ticker := time.NewTicker(w.config.SweepInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				w.endLost(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

// stop returns when the sweeper has.
func (s *sweeper) stop() {
	s.cancel()
	<-s.done
}

func (w *Workers) endLost(ctx context.Context) {
	w.mu.Lock()
	runs := make(map[store.Fence]*run, len(w.runs))
	for r := range w.runs {
		runs[r.Fence] = r
	}
	w.mu.Unlock()
	if len(runs) == 0 {
		return
	}
	fences := make([]store.Fence, 0, len(runs))
	for fence := range runs {
		fences = append(fences, fence)
	}
	ctx, cancel := context.WithTimeout(ctx, w.config.SweepInterval)
	defer cancel()
	held, err := w.store.Held(ctx, fences)
	if err != nil {
		w.log.WarnContext(ctx, "mcptasks: runs could not be compared with their tasks", "error", err)
		return
	}
	tokens := make(map[string]struct{}, len(held))
	for _, token := range held {
		tokens[token] = struct{}{}
	}
	for fence, r := range runs {
		if _, ok := tokens[fence.RunToken]; !ok {
			r.lost()
		}
	}
}
