package workers

import (
	"context"
	"time"
)

// A burst is so many jobs within burstInterval that the database's statistics of their
// table may be out of date.
const (
	burst         = 50
	burstInterval = 500 * time.Millisecond
)

// analyzeAfterBurst updates the database's statistics after a burst. With the plans of an
// empty table, each of River's fetches would read all jobs for each job it fetches.
func (w *Workers) analyzeAfterBurst(ctx context.Context) {
	w.mu.Lock()
	fetched := w.fetched
	w.fetched = 0
	w.mu.Unlock()
	if fetched < burst {
		return
	}
	outgrown, err := w.store.AnalyzeJobs(ctx)
	if outgrown {
		w.log.InfoContext(ctx, "mcptasks: the table of jobs had outgrown its statistics and was analyzed")
	}
	w.logFailure(ctx, err)
}
