//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// naive is a straightforward implementation of durable tasks: the task's row and River's
// job are inserted in one transaction, and a claim and a finish are a statement each.
// Nothing is batched. It is tuned as mcptasks is: the same pool, workers, cooldown,
// indexes and fillfactor, a fence, River's completer for the jobs, and notifications
// after the commit, since notifications inside transactions serialize their commits. It
// runs no tool and does only what this figure needs.
type naive struct {
	db       *database
	inserter *river.Client[pgx.Tx]
}

const naiveTable = `
CREATE TABLE naive (
    id          text COLLATE "C" PRIMARY KEY,
    owner       text COLLATE "C" NOT NULL,
    tool        text        NOT NULL,
    args        text        NOT NULL,
    status      text COLLATE "C" NOT NULL,
    outcome     text,
    ttl         bigint      NOT NULL,
    job_id      bigint,
    run_token   text COLLATE "C",
    run_seq     integer     NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    finished_at timestamptz,
    expires_at  timestamptz
) WITH (fillfactor = 50);
CREATE INDEX ON naive (owner, created_at DESC, id);
CREATE INDEX ON naive (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX ON naive (status, id) WHERE status = 'working'`

func newNaive(ctx context.Context, db *database) (*naive, error) {
	if err := migrateRiver(ctx, db); err != nil {
		return nil, err
	}
	if _, err := db.pool.Exec(ctx, naiveTable); err != nil {
		return nil, err
	}
	// The cooldown is also how often the inserter notifies inside its transactions.
	// Here the notifier does that after them.
	const never = 24 * time.Hour
	inserter, err := river.NewClient[pgx.Tx](riverpgxv5.New(db.pool), &river.Config{
		Logger: quiet, Schema: baselineSchema, FetchCooldown: never, FetchPollInterval: never,
	})
	return &naive{db: db, inserter: inserter}, err
}

type naiveArgs struct {
	TaskID string `json:"task_id"`
}

func (naiveArgs) Kind() string { return "naive" }

const naiveInsert = `
INSERT INTO naive (id, owner, tool, args, status, ttl, job_id, created_at, updated_at)
VALUES ($1, '', 'noop', $2, 'working', 86400000, $3, $4, $4)`

func (n *naive) create(ctx context.Context, notifier *notifier) (string, error) {
	id := uuid.NewString()
	err := pgx.BeginFunc(ctx, n.db.pool, func(tx pgx.Tx) error {
		inserted, err := n.inserter.InsertTx(ctx, tx, naiveArgs{TaskID: id}, nil)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, naiveInsert, id, arguments, inserted.Job.ID, time.Now())
		return err
	})
	notifier.notify()
	return id, err
}

type naiveWorker struct {
	river.WorkerDefaults[naiveArgs]
	db          *database
	completions *completions
}

const naiveClaim = `
UPDATE naive SET run_token = $3, run_seq = run_seq + 1, updated_at = $4
WHERE id = $1 AND job_id = $2 AND status = 'working' RETURNING args`

const naiveFinish = `
UPDATE naive SET status = 'completed', outcome = $4, job_id = NULL, run_token = NULL, updated_at = $5, finished_at = $5,
    expires_at = greatest(created_at + ttl * interval '1 millisecond', $5::timestamptz + interval '10 minutes')
WHERE id = $1 AND job_id = $2 AND run_token = $3 AND status = 'working'`

func (w *naiveWorker) Work(ctx context.Context, job *river.Job[naiveArgs]) error {
	err := w.work(ctx, job)
	if err != nil { // River logs it below the level of quiet
		quiet.ErrorContext(ctx, "naive: the work failed", "task_id", job.Args.TaskID, "error", err)
	}
	return err
}

func (w *naiveWorker) work(ctx context.Context, job *river.Job[naiveArgs]) error {
	id, token := job.Args.TaskID, uuid.NewString()
	var args string
	if err := w.db.pool.QueryRow(ctx, naiveClaim, id, job.ID, token, time.Now()).Scan(&args); err != nil {
		return err
	}
	outcome := `{"content":[{"type":"text","text":"` + answer + `"}]}`
	finished, err := w.db.pool.Exec(ctx, naiveFinish, id, job.ID, token, outcome, time.Now())
	if err != nil {
		return err
	}
	if finished.RowsAffected() != 1 {
		return fmt.Errorf("the task %s was lost", id)
	}
	w.completions.announce(id)
	return nil
}

// loop is the naive side of endToEnd.
func (n *naive) loop(ctx context.Context, lasting time.Duration) (*work, error) {
	completed := newCompletions()
	workers := river.NewWorkers()
	river.AddWorker(workers, &naiveWorker{db: n.db, completions: completed})
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(n.db.pool), riverConfig(workers))
	if err != nil {
		return nil, err
	}
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	notifier := newNotifier(ctx, n.db)
	done, err := closedLoop(ctx, n.db.pids(), loopCallers, lasting, func(ctx context.Context, _ int) error {
		id, err := n.create(ctx, notifier)
		if err != nil {
			return err
		}
		return completed.wait(ctx, id)
	})
	notifier.stop()
	if err = errors.Join(err, client.Stop(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	return done, errors.Join(
		n.db.expect(ctx, done.operations, `SELECT count(*) FROM naive WHERE status = 'completed' AND run_seq = 1`),
		n.db.expect(ctx, 0, `SELECT count(*) FROM naive WHERE status <> 'completed'`),
		n.db.clear(ctx, "naive", baselineSchema+".river_job"),
	)
}

// notifier wakes River's workers after commits, at most once a millisecond, and always
// once after the last commit.
type notifier struct {
	pending chan struct{}
	quit    chan struct{}
	done    sync.WaitGroup
}

func newNotifier(ctx context.Context, db *database) *notifier {
	b := &notifier{pending: make(chan struct{}, 1), quit: make(chan struct{})}
	b.done.Go(func() {
		for {
			select {
			case <-b.pending:
			case <-b.quit:
				return
			}
			// River also polls: a job whose notification fails is late, not lost.
			_, _ = db.pool.Exec(ctx, `SELECT pg_notify($1, $2)`, baselineSchema+".river_insert", `{"queue": "default"}`)
			select {
			case <-time.After(time.Millisecond):
			case <-b.quit:
				return
			}
		}
	})
	return b
}

func (b *notifier) notify() {
	select {
	case b.pending <- struct{}{}:
	default:
	}
}

func (b *notifier) stop() {
	close(b.quit)
	b.done.Wait()
}
