package taskstore

import (
	"context"
	"errors"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Cancel ends the owner's task as cancelled and cancels its job, in one transaction. It
// returns the task as it is afterwards. A task that had already ended is returned with
// ErrTerminal, and nothing is changed.
func (s *Store[TTx]) Cancel(ctx context.Context, owner mcptasks.Owner, id string) (_ *mcptasks.Task, err error) {
	defer s.op(ctx, telemetry.OpCancel, 0).end(&err)
	changed, err := s.change(ctx, telemetry.Audited{},
		func(tx TTx) (*driver.Locked, error) { return s.lockOwned(ctx, tx, owner, id) },
		func(tx TTx, task *lockedTask) error { return s.cancelTx(ctx, tx, task) })
	if err != nil && !errors.Is(err, mcptasks.ErrTerminal) {
		return nil, wrap("cancel", quotable(id), err)
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
	err = s.changeTx(ctx, tx, owner, id, func(task *lockedTask) error { return s.cancelTx(ctx, tx, task) })
	if err != nil {
		return wrap("cancel", quotable(id), err)
	}
	return nil
}

// cancelTx ends a locked task as cancelled by its owner, or returns ErrTerminal.
func (s *Store[TTx]) cancelTx(ctx context.Context, tx TTx, task *lockedTask) error {
	if task.Status.Terminal() {
		return mcptasks.ErrTerminal
	}
	task.effects.action, task.effects.cancelled = telemetry.AuditCancel, telemetry.ByOwner
	return s.endTx(ctx, tx, task, cancelled(task.ID))
}
