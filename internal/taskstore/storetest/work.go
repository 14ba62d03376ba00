package storetest

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
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
				_, err = f.store.Finish(ctx, run.Fence, run.Tool, result(`{}`), driver.Event{})
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
		// River before 0.48 did not notify the workers of a cancel on SQLite.
		{"a job that is cancelled in the caller's transaction", func(f *fixture[TTx]) {
			task := f.create(1)[0]
			begun, ended := make(chan struct{}), make(chan error, 1)
			workers := river.NewWorkers()
			river.AddWorker(workers, &worker{work: func(ctx context.Context, _ *river.Job[riverdb.JobArgs]) error {
				close(begun)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return ctx.Err()
			}})
			client, err := f.store.WorkClient(&river.Config{
				Logger:  slog.New(slog.DiscardHandler),
				Queues:  map[string]river.QueueConfig{"reports": {MaxWorkers: 1}},
				Workers: workers,
			})
			f.must(err)
			f.must(client.Start(f.ctx))
			<-begun
			f.must(f.inTx(func(tx TTx) error { return f.store.CancelTx(f.ctx, tx, alice, task.ID) }))
			select {
			case err := <-ended:
				f.wantError(err, river.ErrJobCancelledRemotely)
			case <-time.After(30 * time.Second):
				f.Error("the worker was not notified of the cancel")
			}
			ctx, cancel := context.WithTimeout(f.ctx, 30*time.Second)
			defer cancel()
			f.must(client.StopAndCancel(ctx))
		}},
		// A frozen node's job is discarded, and the node completes it later. River before
		// 0.48 ended the process when the two met.
		{"a job that is discarded while River completes it", func(f *fixture[TTx]) {
			const client = "n"
			created, discarded := make(chan struct{}), make(chan int64)
			observed := &completing[TTx]{Driver: f.driver, begun: make(chan struct{}, 1)}
			workers := river.NewWorkers()
			river.AddWorker(workers, &worker{work: func(ctx context.Context, job *river.Job[riverdb.JobArgs]) error {
				<-created
				f.query("DELETE FROM {s}mcp_task WHERE id = '%s'", job.Args.TaskID)
				locked := make(chan struct{})
				go func() {
					defer func() { discarded <- job.ID }()
					if err := f.driver.InTx(f.ctx, func(tx TTx) error {
						err := f.driver.DiscardJob(f.ctx, tx, driver.Job{ID: job.ID, TaskID: job.Args.TaskID, Node: client}, time.Now()) // not long ago, for River to keep it
						close(locked)
						<-observed.begun // to complete it
						return err
					}); err != nil {
						f.Error(err)
					}
				}()
				<-locked
				return nil
			}})
			node, err := f.storeOn(observed, config.Config{}).WorkClient(&river.Config{
				ID:      client,
				Logger:  slog.New(slog.DiscardHandler),
				Queues:  map[string]river.QueueConfig{"reports": {MaxWorkers: 1}},
				Workers: workers,
			})
			f.must(err)
			f.must(node.Start(f.ctx))
			for range 5 {
				f.create(1)
				created <- struct{}{}
				equal(f.T, "the job's state", f.job(<-discarded).State, rivertype.JobStateDiscarded)
			}
			f.must(node.Stop(f.ctx))
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

// completing is a driver whose River tells when it begins to complete a job.
type completing[TTx any] struct {
	driver.Driver[TTx]
	begun chan struct{}
}

func (d *completing[TTx]) River() riverdriver.Driver[TTx] {
	return &completingRiver[TTx]{d.Driver.River(), d.begun}
}

type completingRiver[TTx any] struct {
	riverdriver.Driver[TTx]
	begun chan struct{}
}

func (d *completingRiver[TTx]) GetExecutor() riverdriver.Executor {
	return &completingExecutor{d.Driver.GetExecutor(), d.begun}
}

type completingExecutor struct {
	riverdriver.Executor
	begun chan struct{}
}

func (e *completingExecutor) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	e.begun <- struct{}{}
	return e.Executor.JobSetStateIfRunningMany(ctx, params)
}
