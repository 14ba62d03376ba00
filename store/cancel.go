package store

import (
	"context"
	"errors"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
)

// Cancel ends the owner's task as cancelled and cancels its job, in one
// transaction. It returns the task as it is afterwards; one that had already
// ended is returned with ErrTerminal, and nothing is changed.
func (s *Store[TTx]) Cancel(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	changed := false
	err := s.driver.InTx(ctx, func(tx TTx) (err error) {
		changed, err = s.cancelTx(ctx, tx, owner, id)
		return err
	})
	if err != nil {
		return nil, wrap("cancel", quotable(id), err)
	}
	if changed {
		s.config.Changed(id)
	}
	task, err := s.Get(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	if !changed {
		return task, &mcptasks.Error{Op: "cancel", TaskID: id, Err: mcptasks.ErrTerminal}
	}
	return task, nil
}

// CancelTx is Cancel in the caller's transaction. It returns ErrTerminal for a
// task that has ended, and ErrNotFound. On Postgres River tells the run when the
// caller commits.
func (s *Store[TTx]) CancelTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) error {
	changed, err := s.cancelTx(ctx, tx, owner, id)
	if err == nil && !changed {
		err = mcptasks.ErrTerminal
	}
	if err != nil {
		return wrap("cancel", quotable(id), err)
	}
	return nil
}

// cancelTx locks the task before its job, as every writer of both does.
func (s *Store[TTx]) cancelTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (bool, error) {
	if !isTaskID(id) || !storable(string(owner)) {
		return false, mcptasks.ErrNotFound
	}
	jobID, changed, err := s.driver.Cancel(ctx, tx, owner, id, s.now(), s.config.MinRetention)
	if err != nil || !changed || jobID == 0 {
		return changed, err
	}
	_, err = s.river.JobCancelTx(ctx, tx, jobID)
	if errors.Is(err, rivertype.ErrNotFound) { // somebody deleted it; there is nothing to run
		err = nil
	}
	return changed, err
}
