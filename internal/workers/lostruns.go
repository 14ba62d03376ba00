package workers

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// cutOff ends all runs of this node, whose tasks other nodes may have recovered by now.
// A run whose handler has returned goes on trying to write: its fence decides whether it
// still holds the task.
func (w *Workers) cutOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Error("mcptasks: this node could not send a heartbeat for its lease; its runs are ended", "node", w.nodeID, "runs", len(w.runs))
	for r := range w.runs {
		r.cancel(mcptasks.ErrSuperseded)
	}
}

// lostRunsInterval is how often endLostRuns looks. With it a cancel reaches its run
// within five seconds if the notification was lost, and within three where there are none.
func (w *Workers) lostRunsInterval() time.Duration {
	if w.config.PollOnly {
		return min(w.config.SweepInterval, 2*time.Second)
	}
	return min(w.config.SweepInterval, 4*time.Second)
}

// endLostRuns ends the runs that no longer hold their task and were not notified: the
// notification was lost, or PollOnly is set. River 0.51 looks for lost cancels, too, but
// once a minute, and for cancels only: a task that was recovered has another job.
func (w *Workers) endLostRuns(ctx context.Context) {
	w.mu.Lock()
	runs := make(map[string]*run, len(w.runs))
	fences := make([]driver.Fence, 0, len(w.runs))
	for r := range w.runs {
		runs[r.RunToken] = r
		fences = append(fences, r.Fence)
	}
	w.mu.Unlock()
	if len(runs) == 0 {
		return
	}
	held, err := w.store.Held(ctx, fences)
	if err != nil {
		w.logFailure(ctx, err)
		return
	}
	for _, token := range held {
		delete(runs, token)
	}
	for _, r := range runs {
		r.lost()
	}
}
