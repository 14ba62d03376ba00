package workers

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks/internal/riverdb"
)

// River keeps the texts of errors in its own tables, and cannot store every text. It gets
// only these two.
var (
	errInternal  = errors.New("mcptasks: internal error; see the log")
	errCancelled = errors.New("mcptasks: the task was cancelled")
)

// riverConfig returns the configuration of the River client that works here.
func (w *Workers) riverConfig() *river.Config {
	bundle := river.NewWorkers()
	river.AddWorker(bundle, &worker{workers: w})
	queues := make(map[string]river.QueueConfig)
	for _, queue := range w.queues() {
		queues[queue] = river.QueueConfig{MaxWorkers: w.config.MaxWorkers}
	}
	return &river.Config{
		ID:                w.nodeID,
		Logger:            w.log,
		Queues:            queues,
		Workers:           bundle,
		PollOnly:          w.config.PollOnly,
		FetchCooldown:     w.config.FetchCooldown,
		FetchPollInterval: w.config.FetchPollInterval,
		JobTimeout:        -1, // a run has the limit of its task

		CompletedJobRetentionPeriod: w.config.JobRetention,
		CancelledJobRetentionPeriod: w.config.JobRetention,
		DiscardedJobRetentionPeriod: w.config.JobRetention,

		ReindexerIndexNames: riverdb.ReindexerIndexNames(),
	}
}

// worker is the one River worker: every job of ours stands for a task.
type worker struct {
	river.WorkerDefaults[riverdb.JobArgs]
	workers *Workers
}

// Timeout returns -1, no timeout of River's: a run has the limit of its task.
func (*worker) Timeout(*river.Job[riverdb.JobArgs]) time.Duration { return -1 }

// Work runs the task that the job stands for.
func (w *worker) Work(ctx context.Context, job *river.Job[riverdb.JobArgs]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.workers.log.ErrorContext(ctx, "mcptasks: a run failed outside its handler",
				"task_id", job.Args.TaskID, "job_id", job.ID, "panic", p, "stack", string(debug.Stack()))
			err = errInternal
		}
	}()
	growStack()
	w.workers.hold(job.ID)
	defer w.workers.release(job.ID)
	return w.workers.work(ctx, job)
}

// growStack makes the goroutine's stack grow to the 16 KiB that most runs need while it
// holds little that has to be copied. River starts each job on a new goroutine, whose
// stack would otherwise grow and be copied several times on the way to the handler: a
// tenth of what an empty run costs this process.
//
//go:noinline
func growStack() {
	var room [7 << 10]byte
	runtime.KeepAlive(&room)
}
