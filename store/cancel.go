package store

import (
	"context"

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

func (s *Store[TTx]) cancelTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (bool, error) {
	task, err := s.lockOwned(ctx, tx, owner, id)
	if err != nil || task.Status.Terminal() {
		return false, err
	}
	return true, s.endTx(ctx, tx, task, cancelled(id))
}

func (s *Store[TTx]) lockOwned(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (*Locked, error) {
	if !isTaskID(id) || !storable(string(owner)) {
		return nil, mcptasks.ErrNotFound
	}
	return s.driver.LockOwned(ctx, tx, owner, id, s.now())
}
