// Package mutant breaks a node on Postgres in one way at a time, to test that the checks
// find it.
//
// A chaos run finds all mutants but TokenlessFence, which needs two concurrent runs of one
// job. The fence tests of storetest find that one.
package mutant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// Node is the node to break.
type Node struct {
	URL   string
	Works bool
	Lease time.Duration
}

// The mutants.
const (
	UnfencedSteps   = "unfenced-steps"
	TokenlessFence  = "tokenless-fence"
	HastyReaper     = "hasty-reaper"
	TornPark        = "torn-park"
	UnlockedAnswers = "unlocked-answers"
	LostFetches     = "lost-fetches"
)

// Names returns the mutants' names.
func Names() []string {
	return []string{UnfencedSteps, TokenlessFence, HastyReaper, TornPark, UnlockedAnswers, LostFetches}
}

// Break returns the driver broken in the named way. It returns the driver itself if the
// name is empty.
func Break(ctx context.Context, driver *postgres.Driver, node Node, name string) (driver.Driver[pgx.Tx], error) {
	if name == "" {
		return driver, nil
	}
	pool, err := pgxpool.New(ctx, node.URL)
	if err != nil {
		return nil, err
	}
	m := mutant{driver, pool}
	switch name {
	case UnfencedSteps:
		return unfencedSteps{m}, nil
	case TokenlessFence:
		return tokenlessFence{m}, nil
	case HastyReaper:
		return m, reapHastily(m, node)
	case TornPark:
		return tornPark{m}, nil
	case UnlockedAnswers:
		return unlockedAnswers{m}, nil
	case LostFetches:
		return lostFetches{m}, nil
	default:
		pool.Close()
		return nil, fmt.Errorf("no mutant %q; there are %s", name, strings.Join(Names(), ", "))
	}
}

// mutant is the correct driver, and a pool for what it does wrong.
type mutant struct {
	*postgres.Driver
	pool *pgxpool.Pool
}

// Close closes the pool, too.
func (m mutant) Close() error {
	m.pool.Close()
	return m.Driver.Close()
}

// unfencedSteps records steps of any run.
type unfencedSteps struct{ mutant }

func (m unfencedSteps) SaveStep(ctx context.Context, step driver.Step, _ int, _ time.Time) (json.RawMessage, bool, error) {
	const insert = `
		INSERT INTO mcptasks.mcp_task_step (task_id, key, result, node, run_seq, began_at, ended_at)
		VALUES ($1, $2, $3, '', 0, now(), now()) ON CONFLICT DO NOTHING`
	if _, err := m.pool.Exec(ctx, insert, step.TaskID, step.Key, string(step.Result)); err != nil {
		return nil, false, err
	}
	var stored string
	err := m.pool.QueryRow(ctx, `SELECT result FROM mcptasks.mcp_task_step WHERE task_id = $1 AND key = $2`, step.TaskID, step.Key).Scan(&stored)
	return json.RawMessage(stored), true, err
}

// tokenlessFence accepts writes of any run that has the task's job.
type tokenlessFence struct{ mutant }

func (m tokenlessFence) fence(ctx context.Context, f *driver.Fence) {
	var token *string
	err := m.pool.QueryRow(ctx, `SELECT run_token FROM mcptasks.mcp_task WHERE id = $1 AND job_id = $2`, f.TaskID, f.JobID).Scan(&token)
	if err == nil && token != nil {
		f.RunToken = *token
	}
}

func (m tokenlessFence) Report(ctx context.Context, reports []driver.Report, now time.Time) ([]string, error) {
	reports = slices.Clone(reports)
	for i := range reports {
		m.fence(ctx, &reports[i].Fence)
	}
	return m.Driver.Report(ctx, reports, now)
}

func (m tokenlessFence) SaveStep(ctx context.Context, step driver.Step, most int, now time.Time) (json.RawMessage, bool, error) {
	m.fence(ctx, &step.Fence)
	return m.Driver.SaveStep(ctx, step, most, now)
}

func (m tokenlessFence) Park(ctx context.Context, tx pgx.Tx, fence driver.Fence, questions []driver.Asked, detail string, now time.Time) (all, open int, held bool, err error) {
	m.fence(ctx, &fence)
	return m.Driver.Park(ctx, tx, fence, questions, detail, now)
}

func (m tokenlessFence) Finish(ctx context.Context, ends []driver.Finish, now time.Time, retention time.Duration) ([]string, []int64, error) {
	ends = slices.Clone(ends)
	for i := range ends {
		m.fence(ctx, &ends[i].Fence)
	}
	return m.Driver.Finish(ctx, ends, now, retention)
}

// reapHastily reaps even if the node's own heartbeats had a gap, until the process ends.
func reapHastily(m mutant, node Node) error {
	if !node.Works {
		return nil
	}
	tasks, err := taskstore.New[pgx.Tx](m, config.Default(), notify.New(slog.Default()))
	if err != nil {
		return err
	}
	go func() {
		for range time.Tick(node.Lease / 10) {
			ctx, cancel := context.WithTimeout(context.Background(), node.Lease)
			_, _ = tasks.Reap(ctx, "a hasty reaper", node.Lease, func() bool { return true })
			cancel()
		}
	}()
	return nil
}

// tornPark parks a task in one transaction and stores its questions in another.
type tornPark struct{ mutant }

func (m tornPark) Park(ctx context.Context, tx pgx.Tx, fence driver.Fence, questions []driver.Asked, _ string, now time.Time) (all, open int, held bool, err error) {
	const park = `
		UPDATE mcptasks.mcp_task SET status = 'input_required', job_id = NULL, run_token = NULL, updated_at = $4
		WHERE id = $1 AND job_id = $2 AND run_token = $3 AND status = 'working'`
	parked, err := m.pool.Exec(ctx, park, fence.TaskID, fence.JobID, fence.RunToken, now)
	if err != nil || parked.RowsAffected() == 0 {
		return 0, 0, false, err
	}
	for _, q := range questions {
		const insert = `
			INSERT INTO mcptasks.mcp_task_input (task_id, key, method, params, asked_at, deadline_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
		if _, err := tx.Exec(ctx, insert, fence.TaskID, q.Key, q.Method, string(q.Params), now, q.DeadlineAt); err != nil {
			return 0, 0, false, err
		}
	}
	return len(questions), len(questions), true, nil
}

// unlockedAnswers releases the task's lock before the answers are stored.
type unlockedAnswers struct{ mutant }

func (m unlockedAnswers) LockOwned(ctx context.Context, _ pgx.Tx, owner mcptasks.Owner, id string, now time.Time) (*driver.Locked, error) {
	var locked *driver.Locked
	err := pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) (err error) {
		locked, err = m.Driver.LockOwned(ctx, tx, owner, id, now)
		return err
	})
	if err == nil && locked == nil {
		err = errors.New("no task")
	}
	return locked, err
}

// lostFetches does not find jobs whose fetch was lost.
type lostFetches struct{ mutant }

func (lostFetches) RunningOn(context.Context, string) ([]driver.Job, error) { return nil, nil }
