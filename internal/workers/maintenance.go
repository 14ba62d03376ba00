package workers

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

// rounds are what a working node does besides its runs: it beats, reaps the dead,
// and sweeps.
type maintenance struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// startMaintenance begins them. The node has beaten once already.
func (w *Workers) startMaintenance() *maintenance {
	ctx, cancel := context.WithCancel(context.Background())
	r := &maintenance{cancel: cancel}
	r.done.Go(func() { w.heartbeat.run(ctx, w.cutOff) })
	lease := w.config.Lease()
	lost := lostFetches{workers: w, missing: make(map[int64]time.Time)}
	for _, round := range []struct {
		every time.Duration
		do    func(context.Context)
	}{
		{lease / 10, w.reap},
		{w.lostInterval(), w.endLost},
		{w.config.SweepInterval, w.sweep},
		{burstInterval, w.analyze},
		{lease / 3, lost.look},
	} {
		r.done.Go(func() { repeat(ctx, round.every, roundLimit, round.do) })
	}
	return r
}

// stop returns when all have ended.
func (r *maintenance) stop() {
	r.cancel()
	r.done.Wait()
}

// roundLimit bounds one round: a connection that hangs must not end them all.
const roundLimit = 30 * time.Second

// repeat calls fn about every interval until ctx ends: not all nodes at the same
// moment. Each call has limit.
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

// cutOff ends this node's runs: others may have their tasks by now. Whether they do
// the fence decides: a run whose handler has returned goes on trying to write.
func (w *Workers) cutOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Error("mcptasks: this node could not beat for its lease; its runs are ended", "node", w.nodeID, "runs", len(w.runs))
	for r := range w.runs {
		r.cancel(mcptasks.ErrSuperseded)
	}
}

// reap sees to the jobs of dead nodes.
func (w *Workers) reap(ctx context.Context) {
	if !w.heartbeat.steady() {
		return
	}
	n, err := w.store.Reap(ctx, w.nodeID, w.config.Lease(), func() bool { return w.heartbeat.confirm(ctx) })
	if n > 0 {
		w.log.InfoContext(ctx, "mcptasks: jobs of dead nodes were recovered", "jobs", n)
	}
	w.report(ctx, err)
}

// sweep sees to what no request meets; not to what is due by the time of day, while
// this machine's cannot be right.
func (w *Workers) sweep(ctx context.Context) {
	if ahead, tooFar := w.heartbeat.ahead(); tooFar {
		w.report(ctx, w.store.Repair(ctx, w.config.Lease()+ahead.Abs()))
	} else {
		w.report(ctx, w.store.Sweep(ctx, w.config.Lease()))
	}
	w.report(ctx, w.store.Prune(ctx, 10*w.config.Lease()))
}

// burst is how many jobs within burstInterval make it worth to ask whether their table
// has outgrown what the database knows of it.
const (
	burst         = 50
	burstInterval = 500 * time.Millisecond
)

// analyze sees to it that a burst after a quiet time is not worked by the plans of an
// empty table: by such a plan each of River's fetches reads all jobs for each one that
// it takes.
func (w *Workers) analyze(ctx context.Context) {
	w.mu.Lock()
	taken := w.taken
	w.taken = 0
	w.mu.Unlock()
	if taken < burst {
		return
	}
	outgrown, err := w.store.AnalyzeJobs(ctx)
	if outgrown {
		w.log.InfoContext(ctx, "mcptasks: the table of jobs had outgrown what the database knew of it and was analyzed")
	}
	w.report(ctx, err)
}

func (w *Workers) report(ctx context.Context, err error) {
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		w.log.WarnContext(ctx, "mcptasks: a sweep failed; it is repeated", "error", err)
	}
}

// lostInterval is how often endLost looks: a cancel reaches its run within five
// seconds if nobody told it, within three if nobody ever does.
func (w *Workers) lostInterval() time.Duration {
	if w.config.PollOnly {
		return min(w.config.SweepInterval, 2*time.Second)
	}
	return min(w.config.SweepInterval, 4*time.Second)
}

// endLost ends runs that lost their task and were not told: the notification was
// lost, or the database has none.
func (w *Workers) endLost(ctx context.Context) {
	w.mu.Lock()
	runs := make(map[string]*run, len(w.runs))
	fences := make([]store.Fence, 0, len(w.runs))
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
		w.report(ctx, err)
		return
	}
	for _, token := range held {
		delete(runs, token)
	}
	for _, r := range runs {
		r.lost()
	}
}

// lostFetches finds jobs that River holds to be running here and that are not: the
// reply to their fetch was lost, or what became of them. It is used by one goroutine.
type lostFetches struct {
	workers *Workers
	looked  time.Time
	missing map[int64]time.Time // since when
}

// look gives a fresh job to tasks whose job has been missing for a lease. A job
// that has just ended is missing until River's completer settles it; time in which
// this process was frozen, or the database away, does not count.
func (l *lostFetches) look(ctx context.Context) {
	w, now, lease := l.workers, time.Now(), l.workers.config.Lease()
	late := now.Sub(l.looked) > lease
	l.looked = now
	jobs, err := w.store.RunningOn(ctx, w.nodeID)
	if err != nil || late || !w.heartbeat.steady() {
		clear(l.missing)
		w.report(ctx, err)
		return
	}
	still := make(map[int64]time.Time)
	for _, job := range jobs {
		if w.isHere(job.ID) {
			continue
		}
		since, known := l.missing[job.ID]
		if !known {
			since = now
		}
		still[job.ID] = since
		if now.Sub(since) >= lease {
			l.recover(ctx, job, now.Sub(since) >= store.DiscardAfter*lease)
		}
	}
	l.missing = still
}

// recover gives the job's task a fresh one, if it is its task's still, and discards
// the job if it is old.
func (l *lostFetches) recover(ctx context.Context, job store.Job, old bool) {
	w := l.workers
	done, err := w.store.RecoverLost(ctx, job, w.nodeID)
	if done {
		w.log.WarnContext(ctx, "mcptasks: the fetch of a job was lost", "job_id", job.ID, "task_id", job.TaskID)
	}
	if err == nil && old {
		err = w.store.DiscardLost(ctx, job)
	}
	w.report(ctx, err)
}

func (w *Workers) isHere(jobID int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, here := w.jobs[jobID]
	return here
}
