package store

import (
	"context"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Sweep sees to what no request meets: tasks past their deadline, questions past
// theirs, tasks that do not agree with their job, expired tasks. A task must have
// stood still for settled to be held to disagree with its job. Any number of nodes
// may sweep at once.
func (s *Store[TTx]) Sweep(ctx context.Context, settled time.Duration) (err error) {
	defer s.op(ctx, telemetry.OpSweep, 0).end(&err)
	now := s.now()
	sweeps := []struct {
		kind string
		find func() ([]string, error)
		mend func(tx TTx, task *Locked) (bool, error)
	}{
		{
			telemetry.Overdue,
			func() ([]string, error) { return s.driver.Overdue(ctx, now, sweepLimit) },
			func(tx TTx, task *Locked) (bool, error) { return s.overdueTx(ctx, tx, task) },
		},
		{
			telemetry.Unanswered,
			func() ([]string, error) { return s.driver.Unanswered(ctx, now, sweepLimit) },
			func(tx TTx, task *Locked) (bool, error) { return s.unansweredTx(ctx, tx, task) },
		},
	}
	var errs []error
	for _, sweep := range sweeps {
		errs = append(errs, s.mend(ctx, sweep.kind, sweep.find, sweep.mend))
	}
	return errors.Join(append(errs, s.repair(ctx, settled), s.deleteExpired(ctx))...)
}

// Repair is the part of Sweep that does not depend on the time of day: tasks that do
// not agree with their job.
func (s *Store[TTx]) Repair(ctx context.Context, settled time.Duration) (err error) {
	defer s.op(ctx, telemetry.OpSweep, 0).end(&err)
	return s.repair(ctx, settled)
}

func (s *Store[TTx]) repair(ctx context.Context, settled time.Duration) error {
	before := s.now().Add(-settled)
	return s.mend(ctx, telemetry.Repaired,
		func() ([]string, error) { return s.driver.Broken(ctx, before, sweepLimit) },
		func(tx TTx, task *Locked) (bool, error) { return s.repairTx(ctx, tx, task) })
}

// mend sees to what find finds, batch by batch. What fails does not keep it from the
// rest.
func (s *Store[TTx]) mend(ctx context.Context, kind string, find func() ([]string, error), mend func(tx TTx, task *Locked) (bool, error)) error {
	var errs []error
	for {
		ids, err := find()
		if err != nil {
			return errors.Join(append(errs, wrap("sweep", "", err))...)
		}
		mended := 0
		for _, id := range ids {
			changed, err := s.change(ctx, id, mend)
			if err != nil {
				errs = append(errs, err)
			}
			if changed {
				mended++
				s.metrics.Swept.Add(ctx, 1, kind)
			}
			if ctx.Err() != nil {
				return errors.Join(errs...)
			}
		}
		if len(ids) < sweepLimit || mended == 0 {
			return errors.Join(errs...)
		}
	}
}

func (s *Store[TTx]) overdueTx(ctx context.Context, tx TTx, task *Locked) (bool, error) {
	if task.Status.Terminal() || task.DeadlineAt.IsZero() || task.DeadlineAt.After(s.now()) {
		return false, nil
	}
	const sentence = "The task did not finish by its deadline."
	return true, s.endTx(ctx, tx, task, failed(task.ID, sentence, Event{Kind: EventFailed, Detail: sentence}))
}

// unansweredTx marks the questions whose deadline has passed and lets the handler
// run again: it is told so.
func (s *Store[TTx]) unansweredTx(ctx context.Context, tx TTx, task *Locked) (bool, error) {
	if task.Status != mcptasks.StatusInputRequired {
		return false, nil
	}
	expired, err := s.driver.ExpireQuestions(ctx, tx, task.ID, s.now())
	if err != nil || expired == 0 {
		return false, err
	}
	return true, s.requeueTx(ctx, tx, task, telemetry.SpanUnanswered, task.Recoveries, Event{})
}

// deleteExpired removes in batches, so that no lock is held for long.
func (s *Store[TTx]) deleteExpired(ctx context.Context) error {
	const limit = 1000
	for {
		n, err := s.driver.DeleteExpired(ctx, s.now(), limit)
		if err != nil {
			return wrap("sweep", "", err)
		}
		s.metrics.Swept.Add(ctx, n, telemetry.Expired)
		if n < limit {
			return nil
		}
	}
}

// AnalyzeJobs has the database look how large the table of River's jobs is, if it has
// outgrown what the database knows, and returns whether it has: plans that were made
// while it was empty are made anew. Our own statements' do not depend on it.
func (s *Store[TTx]) AnalyzeJobs(ctx context.Context) (outgrown bool, err error) {
	if outgrown, err = s.driver.AnalyzeJobs(ctx); err != nil {
		return false, wrap("analyze", "", err)
	}
	return outgrown, nil
}

// Prune removes nodes that have been dead for long.
func (s *Store[TTx]) Prune(ctx context.Context, age time.Duration) error {
	if err := s.driver.Prune(ctx, age); err != nil {
		return wrap("sweep", "", err)
	}
	return nil
}
