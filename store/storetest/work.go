package storetest

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/store"
)

func workTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"a River client", func(f *fixture[TTx]) {
			task := f.create(1)[0]
			job := f.jobOf(task.ID)
			worked := make(chan error, 1)
			workers := river.NewWorkers()
			river.AddWorker(workers, &worker{work: func(ctx context.Context, job *river.Job[riverdb.JobArgs]) (err error) {
				defer func() { worked <- err }()
				run, err := f.store.Claim(ctx, job.Args.TaskID, job.ID, f.tools, here)
				if err != nil {
					return err
				}
				equal(f.T, "the attempt", job.Attempt, 1)
				_, err = f.store.Finish(ctx, run.Fence, run.Tool, result(`{}`), store.Event{})
				return err
			}})
			client, err := f.store.WorkClient(&river.Config{
				Logger:  slog.New(slog.DiscardHandler),
				Queues:  map[string]river.QueueConfig{"reports": {MaxWorkers: 1}},
				Workers: workers,
			})
			f.must(err)
			f.must(client.Start(f.ctx))
			select {
			case err := <-worked:
				f.must(err)
			case <-f.ctx.Done():
				f.Error("the job was not fetched")
			}
			f.must(client.Stop(f.ctx))
			equal(f.T, "the task's status", f.get(task.ID).Status, mcptasks.StatusCompleted)
			equal(f.T, "the job's state", f.job(job).State, rivertype.JobStateCompleted)
		}},
	}
}

type worker struct {
	river.WorkerDefaults[riverdb.JobArgs]
	work func(context.Context, *river.Job[riverdb.JobArgs]) error
}

func (w *worker) Work(ctx context.Context, job *river.Job[riverdb.JobArgs]) error {
	return w.work(ctx, job)
}
