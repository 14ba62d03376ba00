package taskstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Reap recovers the tasks of nodes that have sent no heartbeat for the lease: each gets a
// fresh job, or fails when too many workers in a row have died of it. It then discards
// the jobs that such nodes have left running. A node may only have been frozen and
// complete a discarded job later: River 0.48 and newer ignores that. Any number of nodes
// may reap at once. Reap returns how many tasks it has recovered. by is the id of the
// reaping node, for the timeline. Before each job, steady is asked whether the node may
// still take others for dead: the database may go away in between.
func (s *Store[TTx]) Reap(ctx context.Context, by string, lease time.Duration, steady func() bool) (_ int, err error) {
	defer s.op(ctx, telemetry.OpReap, 0).end(&err)
	reaped, err := s.eachJob(ctx, steady,
		func() ([]driver.Job, error) { return s.driver.Orphans(ctx, lease, sweepLimit) },
		func(orphan driver.Job) (bool, error) {
			return s.recover(ctx, orphan, func(tx TTx, task *lockedTask) error { return s.recoverTx(ctx, tx, task, orphan.Node, by) })
		})
	s.metrics.Swept.Add(ctx, reaped, telemetry.Reaped)
	_, leftErr := s.eachJob(ctx, steady,
		func() ([]driver.Job, error) { return s.driver.Leftovers(ctx, lease, sweepLimit) },
		func(left driver.Job) (bool, error) { return true, s.discard(ctx, left) })
	return reaped, errors.Join(err, leftErr)
}

// eachJob calls handle for each job that find returns, until find returns no more or
// steady is false. An error does not keep it from the other jobs. It returns how many jobs
// were handled.
func (s *Store[TTx]) eachJob(ctx context.Context, steady func() bool, find func() ([]driver.Job, error), handle func(driver.Job) (bool, error)) (int, error) {
	handled := 0
	var errs []error
	for {
		jobs, err := find()
		if err != nil {
			return handled, errors.Join(append(errs, wrap("reap", "", err))...)
		}
		before := handled
		for _, job := range jobs {
			if !steady() || ctx.Err() != nil {
				return handled, errors.Join(errs...)
			}
			ok, err := handle(job)
			if err != nil {
				errs = append(errs, wrap("reap", job.TaskID, err))
			} else if ok {
				handled++
			}
		}
		if len(jobs) < sweepLimit || handled == before {
			return handled, errors.Join(errs...)
		}
	}
}

// recoverTx counts the death of a run's worker, if there was a run, and gives the task a
// fresh job, or fails it after too many deaths.
func (s *Store[TTx]) recoverTx(ctx context.Context, tx TTx, task *lockedTask, dead, by string) error {
	deaths := task.Recoveries
	if task.Running {
		deaths++
	}
	if deaths > s.config.MaxRecoveries {
		sentence := fmt.Sprintf("The tool's process died %d times in a row.", deaths)
		return s.endOnlyTx(ctx, tx, task, failed(task.ID, sentence, driver.Event{Kind: driver.EventFailed, Node: by, Detail: sentence}))
	}
	task.effects.recovered = telemetry.Death
	detail := fmt.Sprintf("node %s of job %d died", dead, task.JobID)
	return s.requeueTx(ctx, tx, task, telemetry.SpanRecover, deaths, driver.Event{Kind: driver.EventRecovered, Node: by, Detail: detail})
}

// recover changes the task of a job that nobody runs, if the job is still the task's and
// still running on the same node: another node may have recovered it. It reports whether
// the task was changed: not while another transaction has it locked.
func (s *Store[TTx]) recover(ctx context.Context, dead driver.Job, decide func(tx TTx, task *lockedTask) error) (changed bool, err error) {
	return s.changeFree(ctx, dead.TaskID, func(tx TTx, task *lockedTask) error {
		state, node, err := s.driver.JobState(ctx, tx, dead.ID, dead.TaskID)
		if err != nil {
			return err
		}
		if rivertype.JobState(state) != rivertype.JobStateRunning || node != dead.Node ||
			task.Status != mcptasks.StatusWorking || task.JobID != dead.ID {
			return nil
		}
		return decide(tx, task)
	})
}

// discard discards a job that is running on a dead node and is no working task's.
func (s *Store[TTx]) discard(ctx context.Context, left driver.Job) error {
	return s.driver.InTx(ctx, func(tx TTx) error { return s.driver.DiscardJob(ctx, tx, left, s.now()) })
}
