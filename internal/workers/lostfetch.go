package workers

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// lostFetches recovers jobs that the database says are running on this node and that are
// not: the reply to their fetch was lost, or the write that ends them was. It is used by
// one goroutine.
type lostFetches struct {
	workers *Workers
	looked  time.Time           // when recover last looked
	missing map[int64]time.Time // jobs that are not here, and since when
}

// recover gives a fresh job to each task whose job has been missing for a lease. A job
// that has just ended is missing until River has recorded its end. Time in which this
// process was frozen, or the database was away, does not count.
func (l *lostFetches) recover(ctx context.Context) {
	w, now, lease := l.workers, time.Now(), l.workers.config.Lease()
	late := now.Sub(l.looked) > lease
	l.looked = now
	jobs, err := w.store.RunningOn(ctx, w.nodeID)
	if err != nil || late || !w.heartbeat.steady() {
		clear(l.missing)
		w.logFailure(ctx, err)
		return
	}
	missing := make(map[int64]time.Time)
	for _, job := range jobs {
		if w.holds(job.ID) {
			continue
		}
		since, known := l.missing[job.ID]
		if !known {
			since = now
		}
		missing[job.ID] = since
		if now.Sub(since) >= lease {
			l.replace(ctx, job)
		}
	}
	l.missing = missing
}

// replace gives the job's task a fresh job, if the task still has this one, and discards
// the job.
func (l *lostFetches) replace(ctx context.Context, job driver.Job) {
	w := l.workers
	recovered, err := w.store.RecoverLost(ctx, job, w.nodeID)
	if recovered {
		w.log.WarnContext(ctx, "mcptasks: the fetch of a job was lost; its task was recovered", "job_id", job.ID, "task_id", job.TaskID)
	}
	w.logFailure(ctx, err)
}
