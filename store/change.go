package store

import (
	"context"
	"errors"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
)

// This file is how a task is changed by any other than its run: the task's row is
// locked before its child rows and its jobs, by everybody, and what is decided is
// decided of the locked row.

// cancelled is the end of a task that a client or an operator cancels.
func cancelled(id string) Finish {
	return Finish{Fence: Fence{TaskID: id}, Status: mcptasks.StatusCancelled}
}

// failed is the end of a task that fails with a plain sentence; the detail is for
// the operator.
func failed(id, sentence string, event Event) Finish {
	outcome, _ := encodeOutcome(mcptasks.Failure(sentence)) // a sentence is always JSON
	return Finish{Fence: Fence{TaskID: id}, Status: mcptasks.StatusFailed, Message: sentence, Outcome: outcome, Event: event}
}

// endTx ends a locked task that is not terminal, and cancels the job it had.
func (s *Store[TTx]) endTx(ctx context.Context, tx TTx, task *Locked, end Finish) error {
	if err := s.driver.End(ctx, tx, end, s.now(), s.config.MinRetention); err != nil {
		return err
	}
	return s.cancelJobTx(ctx, tx, task)
}

func (s *Store[TTx]) cancelJobTx(ctx context.Context, tx TTx, task *Locked) error {
	if task.JobID == 0 {
		return nil
	}
	state, _, err := s.driver.JobState(ctx, tx, task.JobID, task.ID)
	if errors.Is(err, mcptasks.ErrNotFound) { // somebody deleted it; there is nothing to run
		return nil
	}
	if err != nil || rivertype.JobState(state) == rivertype.JobStateCompleted {
		return err
	}
	_, err = s.river.JobCancelTx(ctx, tx, task.JobID)
	return err
}

// requeueTx gives a locked task that is not terminal a fresh job.
func (s *Store[TTx]) requeueTx(ctx context.Context, tx TTx, task *Locked, recoveries int, event Event) error {
	params := job(task.ID, task.Queue, task.Priority)
	inserted, err := s.river.InsertTx(ctx, tx, params.Args, params.InsertOpts)
	if err != nil {
		return err
	}
	if err := s.driver.Requeue(ctx, tx, task.ID, inserted.Job.ID, recoveries, event, s.now()); err != nil {
		return err
	}
	return s.ringTx(ctx, tx, []string{task.Queue})
}

// change locks a task that somebody must see to, unless somebody else has it
// locked, lets fn see to it, and says whether fn changed it.
func (s *Store[TTx]) change(ctx context.Context, id string, fn func(tx TTx, task *Locked) (changed bool, err error)) (bool, error) {
	changed := false
	err := s.driver.InTx(ctx, func(tx TTx) error {
		changed = false
		task, err := s.driver.Lock(ctx, tx, id, true)
		if err != nil {
			return err
		}
		changed, err = fn(tx, task)
		return err
	})
	if errors.Is(err, ErrBusy) || errors.Is(err, mcptasks.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, wrap("sweep", id, err)
	}
	if changed {
		s.config.Changed(id)
	}
	return changed, nil
}
