//go:build unix

package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// baselineSchema is the schema of the baselines' River, in the same database as ours.
const baselineSchema = "baseline_river"

// migrateRiver creates the schema with River's tables only.
func migrateRiver(ctx context.Context, db *database) error {
	if _, err := db.pool.Exec(ctx, "CREATE SCHEMA "+baselineSchema); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(db.pool), &rivermigrate.Config{Logger: quiet, Schema: baselineSchema})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// riverConfig returns the config of a client with the settings of our nodes.
func riverConfig(workers *river.Workers) *river.Config {
	return &river.Config{
		Logger:            quiet,
		Schema:            baselineSchema,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: drainWorkers}},
		Workers:           workers,
		FetchCooldown:     fetchCooldown,
		FetchPollInterval: fetchPoll,
		JobTimeout:        -1,
	}
}

// emptyJobs is River alone, with jobs that have no arguments and do nothing.
type emptyJobs struct{ db *database }

func newEmptyJobs(ctx context.Context, db *database) (*emptyJobs, error) {
	return &emptyJobs{db: db}, migrateRiver(ctx, db)
}

type emptyArgs struct{}

func (emptyArgs) Kind() string { return "empty" }

type emptyWorker struct {
	river.WorkerDefaults[emptyArgs]
	ran func()
}

func (w *emptyWorker) Work(context.Context, *river.Job[emptyArgs]) error {
	w.ran()
	return nil
}

// drain inserts n jobs, and measures a client that works and settles them.
func (e *emptyJobs) drain(ctx context.Context, n int) (*work, error) {
	ran := newCountdown(n)
	workers := river.NewWorkers()
	river.AddWorker(workers, &emptyWorker{ran: ran.one})
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(e.db.pool), riverConfig(workers))
	if err != nil {
		return nil, err
	}
	jobs := make([]river.InsertManyParams, n)
	for i := range jobs {
		jobs[i].Args = emptyArgs{}
	}
	if _, err := client.InsertManyFast(ctx, jobs); err != nil {
		return nil, err
	}
	e.db.checkpoint(ctx)
	done, err := e.drainClient(ctx, client, ran)
	return done, errors.Join(err,
		client.Stop(context.WithoutCancel(ctx)),
		e.db.expect(ctx, n, `SELECT count(*) FROM `+baselineSchema+`.river_job WHERE state = 'completed'`),
		e.db.clear(ctx, baselineSchema+".river_job"),
	)
}

// drainClient starts the client and measures it until nothing is left to do.
func (e *emptyJobs) drainClient(ctx context.Context, client *river.Client[pgx.Tx], ran *countdown) (*work, error) {
	m, err := startMeter(e.db.pids())
	if err != nil {
		return nil, err
	}
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	if err := ran.wait(ctx); err != nil {
		return nil, err
	}
	err = e.db.until(ctx, `SELECT NOT EXISTS (SELECT FROM `+baselineSchema+`.river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))`)
	if err != nil {
		return nil, err
	}
	return m.stop(ran.n)
}
