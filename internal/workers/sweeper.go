package workers

import "context"

// sweep does for all tasks what a request does for its own: it ends those past a deadline,
// repairs those that do not agree with their jobs, and deletes those that have expired. It
// also removes the records of nodes that died long ago. While this machine's clock and the
// database's differ it does nothing that depends on the time of day.
func (w *Workers) sweep(ctx context.Context) {
	lease := w.config.Lease()
	if ahead, tooFar := w.heartbeat.ahead(); tooFar {
		w.logFailure(ctx, w.store.Repair(ctx, lease+ahead.Abs()))
	} else {
		w.logFailure(ctx, w.store.Sweep(ctx, lease))
	}
	w.logFailure(ctx, w.store.Prune(ctx, 10*lease))
}
