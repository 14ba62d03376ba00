package taskstore

import (
	"context"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// sweepLimit is how many tasks or jobs a sweep looks for at once.
const sweepLimit = 100

// Sweep ends the tasks whose deadline is over, expires the questions whose deadline is
// over, repairs the tasks that do not agree with their job and have not changed for
// settled, and deletes the expired tasks. Any number of nodes may sweep at once.
func (s *Store[TTx]) Sweep(ctx context.Context, settled time.Duration) (err error) {
	defer s.op(ctx, telemetry.OpSweep, 0).end(&err)
	now := s.now()
	sweeps := []struct {
		kind string
		find func() ([]string, error)
		mend func(tx TTx, task *lockedTask) error
	}{
		{
			telemetry.Overdue,
			func() ([]string, error) { return s.driver.Overdue(ctx, now, sweepLimit) },
			func(tx TTx, task *lockedTask) error { return s.overdueTx(ctx, tx, task) },
		},
		{
			telemetry.Unanswered,
			func() ([]string, error) { return s.driver.Unanswered(ctx, now, sweepLimit) },
			func(tx TTx, task *lockedTask) error { return s.unansweredTx(ctx, tx, task) },
		},
	}
	var errs []error
	for _, sweep := range sweeps {
		errs = append(errs, s.mend(ctx, sweep.kind, sweep.find, sweep.mend))
	}
	return errors.Join(append(errs, s.repair(ctx, settled), s.deleteExpired(ctx))...)
}

// mend calls mend for each task that find returns, until find returns no more. An error
// does not keep it from the other tasks.
func (s *Store[TTx]) mend(ctx context.Context, kind string, find func() ([]string, error), mend func(tx TTx, task *lockedTask) error) error {
	var errs []error
	for {
		ids, err := find()
		if err != nil {
			return errors.Join(append(errs, wrap("sweep", "", err))...)
		}
		mended := 0
		for _, id := range ids {
			changed, err := s.changeFree(ctx, id, mend)
			if err != nil {
				errs = append(errs, wrap("sweep", id, err))
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

func (s *Store[TTx]) overdueTx(ctx context.Context, tx TTx, task *lockedTask) error {
	if task.Status.Terminal() || task.DeadlineAt.IsZero() || task.DeadlineAt.After(s.now()) {
		return nil
	}
	const sentence = "The task did not finish by its deadline."
	return s.endTx(ctx, tx, task, failed(task.ID, sentence, driver.Event{Kind: driver.EventFailed, Detail: sentence}))
}

// unansweredTx expires the questions whose deadline is over and gives the task a fresh
// job: its handler gets ErrUnanswered.
func (s *Store[TTx]) unansweredTx(ctx context.Context, tx TTx, task *lockedTask) error {
	if task.Status != mcptasks.StatusInputRequired {
		return nil
	}
	expired, err := s.driver.ExpireQuestions(ctx, tx, task.ID, s.now())
	if err != nil || expired == 0 {
		return err
	}
	return s.requeueTx(ctx, tx, task, telemetry.SpanUnanswered, task.Recoveries, driver.Event{})
}

// deleteExpired deletes in batches, so that no lock is held for long.
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

// AnalyzeJobs has the database analyze the table of River's jobs if it has become several
// times as large as the database's statistics say, and reports whether it did so. Plans
// that were made for an empty table are then made anew. The plans of our own statements
// do not depend on the statistics.
func (s *Store[TTx]) AnalyzeJobs(ctx context.Context) (outgrown bool, err error) {
	if outgrown, err = s.driver.AnalyzeJobs(ctx); err != nil {
		return false, wrap("analyze", "", err)
	}
	return outgrown, nil
}
