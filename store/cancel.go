package store

import (
	"context"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Cancel ends the owner's task as cancelled and cancels its job, in one
// transaction. It returns the task as it is afterwards; one that had already
// ended is returned with ErrTerminal, and nothing is changed.
func (s *Store[TTx]) Cancel(ctx context.Context, owner mcptasks.Owner, id string) (_ *mcptasks.Task, err error) {
	defer s.op(ctx, telemetry.OpCancel, 0).end(&err)
	var locked *Locked
	err = s.driver.InTx(ctx, func(tx TTx) (err error) {
		locked, err = s.cancelTx(ctx, tx, owner, id)
		return err
	})
	if err != nil {
		return nil, wrap("cancel", quotable(id), err)
	}
	changed := !locked.Status.Terminal()
	if changed {
		s.notifier.TaskChanged(id)
		s.tell(ctx, locked, telemetry.Audited{})
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

// CancelTx is Cancel in the caller's transaction. It returns ErrTerminal for a task that
// has ended, and ErrNotFound. River notifies the run when the caller commits.
func (s *Store[TTx]) CancelTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (err error) {
	defer s.op(ctx, telemetry.OpCancel, 0).end(&err)
	task, err := s.cancelTx(ctx, tx, owner, id)
	if err == nil && task.Status.Terminal() {
		err = mcptasks.ErrTerminal
	}
	if err != nil {
		return wrap("cancel", quotable(id), err)
	}
	s.tell(ctx, task, telemetry.Audited{Tx: true})
	return nil
}

// cancelTx returns the task as it was before: one that had ended is left alone.
func (s *Store[TTx]) cancelTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (*Locked, error) {
	task, err := s.lockOwned(ctx, tx, owner, id)
	if err != nil || task.Status.Terminal() {
		return task, err
	}
	task.done.action, task.done.cancelled = telemetry.AuditCancel, telemetry.ByOwner
	return task, s.endTx(ctx, tx, task, cancelled(id))
}

func (s *Store[TTx]) lockOwned(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (*Locked, error) {
	if !isTaskID(id) || !storable(string(owner)) {
		return nil, mcptasks.ErrNotFound
	}
	return s.driver.LockOwned(ctx, tx, owner, id, s.now())
}
