package workers

import "context"

// reap recovers the tasks of dead nodes, if this node is steady itself.
func (w *Workers) reap(ctx context.Context) {
	if !w.heartbeat.steady() {
		return
	}
	n, err := w.store.Reap(ctx, w.nodeID, w.config.Lease(), func() bool { return w.heartbeat.confirm(ctx) })
	if n > 0 {
		w.log.InfoContext(ctx, "mcptasks: jobs of dead nodes were recovered", "jobs", n)
	}
	w.logFailure(ctx, err)
}
