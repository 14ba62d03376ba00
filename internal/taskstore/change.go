package taskstore

import (
	"context"
	"errors"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// This file is how a task is changed by anything but its run: an answer, a cancel, the
// operator, recovery, the sweeps. The task's row is locked before its child rows and its
// jobs. What is decided is decided by the locked row.

// lockedTask is a locked task, with what its transaction does to it.
type lockedTask struct {
	*driver.Locked
	effects effects
}

// effects are what the transaction of a locked task has done. They are applied after the
// commit, since the transaction may be repeated or fail.
type effects struct {
	changed   bool
	fresh     bool   // the task has a fresh job
	action    string // of the audit log
	ended     string // the outcome's name
	cancelled string // by whom
	recovered string // from what
}

// change locks a task, lets decide change it, commits, and applies the effects. It
// reports whether the task was changed. by has Operator, if it is one.
func (s *Store[TTx]) change(
	ctx context.Context,
	by telemetry.Audited,
	lock func(tx TTx) (*driver.Locked, error),
	decide func(tx TTx, task *lockedTask) error,
) (changed bool, err error) {
	var task *lockedTask
	err = s.driver.InTx(ctx, func(tx TTx) error {
		locked, err := lock(tx)
		if err != nil {
			return err
		}
		task = &lockedTask{Locked: locked}
		return decide(tx, task)
	})
	if err != nil {
		return false, err
	}
	if task.effects.changed {
		s.notifier.TaskChanged(task.ID)
	}
	if task.effects.fresh {
		s.notifier.JobsReadyHere(task.Queue) // the transaction has notified the other processes
	}
	s.record(ctx, task, by)
	return task.effects.changed, nil
}

// changeTx is change of an owner's task in the caller's transaction. Nobody is notified
// of the commit but by the database.
func (s *Store[TTx]) changeTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string, decide func(task *lockedTask) error) error {
	locked, err := s.lockOwned(ctx, tx, owner, id)
	if err != nil {
		return err
	}
	task := &lockedTask{Locked: locked}
	if err := decide(task); err != nil {
		return err
	}
	s.record(ctx, task, telemetry.Audited{Tx: true})
	return nil
}

// changeFree is change of a task that a sweep or a reaper has found. It leaves a task
// alone that another transaction has locked, or that is gone.
func (s *Store[TTx]) changeFree(ctx context.Context, id string, decide func(tx TTx, task *lockedTask) error) (changed bool, err error) {
	changed, err = s.change(ctx, telemetry.Audited{},
		func(tx TTx) (*driver.Locked, error) { return s.driver.Lock(ctx, tx, id, true) },
		decide)
	if errors.Is(err, driver.ErrBusy) || errors.Is(err, mcptasks.ErrNotFound) {
		return false, nil
	}
	return changed, err
}

// lockOwned locks the owner's task.
func (s *Store[TTx]) lockOwned(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) (*driver.Locked, error) {
	if !isTaskID(id) || !storable(string(owner)) {
		return nil, mcptasks.ErrNotFound
	}
	return s.driver.LockOwned(ctx, tx, owner, id, s.now())
}

// cancelled returns the end of a task that a client or an operator cancels.
func cancelled(id string) driver.Finish {
	return driver.Finish{Fence: driver.Fence{TaskID: id}, Status: mcptasks.StatusCancelled}
}

// failed returns the end of a task that fails with a plain sentence. The detail of the
// event is for the operator.
func failed(id, sentence string, event driver.Event) driver.Finish {
	outcome, _ := encodeOutcome(failure.Outcome(sentence)) // a sentence is always JSON
	return driver.Finish{Fence: driver.Fence{TaskID: id}, Status: mcptasks.StatusFailed, Message: sentence, Outcome: outcome, Event: event}
}

// endTx ends a locked task that is not terminal, and cancels the job it had.
func (s *Store[TTx]) endTx(ctx context.Context, tx TTx, task *lockedTask, end driver.Finish) error {
	if err := s.endOnlyTx(ctx, tx, task, end); err != nil {
		return err
	}
	return s.cancelJobTx(ctx, tx, task)
}

// endOnlyTx is endTx of a task that has no job which could go on.
func (s *Store[TTx]) endOnlyTx(ctx context.Context, tx TTx, task *lockedTask, end driver.Finish) error {
	task.effects.changed, task.effects.ended = true, OutcomeName(end.Status, end.IsError)
	return s.driver.End(ctx, tx, end, s.now(), s.config.MinRetention)
}

func (s *Store[TTx]) cancelJobTx(ctx context.Context, tx TTx, task *lockedTask) error {
	if task.JobID == 0 {
		return nil
	}
	state, _, err := s.driver.JobState(ctx, tx, task.JobID, task.ID)
	if errors.Is(err, mcptasks.ErrNotFound) { // it was deleted: there is nothing to cancel
		return nil
	}
	if err != nil || rivertype.JobState(state) == rivertype.JobStateCompleted {
		return err
	}
	_, err = s.river.JobCancelTx(ctx, tx, task.JobID)
	return err
}

// requeueTx gives a fresh job to a locked task that is not terminal. why names the span of
// the reason, to which the next run is linked; it is "" for the first job of a task.
func (s *Store[TTx]) requeueTx(ctx context.Context, tx TTx, task *lockedTask, why string, recoveries int, event driver.Event) (err error) {
	traceContext := ""
	if why != "" {
		var span trace.Span
		ctx, span = s.tracer.Cause(ctx, why, task.Tool, telemetry.ParseOrigin(task.TraceContext))
		defer func() { telemetry.End(span, err) }()
		telemetry.SetTask(span, task.ID, event.Node)
		traceContext = telemetry.After(ctx, task.TraceContext)
	}
	inserted, err := s.river.InsertTx(ctx, tx, riverdb.JobArgs{TaskID: task.ID},
		&river.InsertOpts{Queue: task.Queue, Priority: task.Priority, MaxAttempts: riverdb.JobAttempts})
	if err != nil {
		return err
	}
	if err := s.driver.Requeue(ctx, tx, task.ID, inserted.Job.ID, recoveries, traceContext, event, s.now()); err != nil {
		return err
	}
	task.effects.changed, task.effects.fresh = true, true
	return s.notifyJobsTx(ctx, tx, []string{task.Queue})
}
