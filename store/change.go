package store

import (
	"context"
	"errors"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/telemetry"
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
	outcome, _ := encodeOutcome(failure.Outcome(sentence)) // a sentence is always JSON
	return Finish{Fence: Fence{TaskID: id}, Status: mcptasks.StatusFailed, Message: sentence, Outcome: outcome, Event: event}
}

// endTx ends a locked task that is not terminal, and cancels the job it had.
func (s *Store[TTx]) endTx(ctx context.Context, tx TTx, task *Locked, end Finish) error {
	if err := s.endOnlyTx(ctx, tx, task, end); err != nil {
		return err
	}
	return s.cancelJobTx(ctx, tx, task)
}

// endOnlyTx is endTx where there is no job that could go on.
func (s *Store[TTx]) endOnlyTx(ctx context.Context, tx TTx, task *Locked, end Finish) error {
	task.done.ended = OutcomeName(end.Status, end.IsError)
	return s.driver.End(ctx, tx, end, s.now(), s.config.MinRetention)
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

// requeueTx gives a locked task that is not terminal a fresh job. why is the span of
// what made that necessary, which the next run will be linked to, or "" for a task's
// first job.
func (s *Store[TTx]) requeueTx(ctx context.Context, tx TTx, task *Locked, why string, recoveries int, event Event) (err error) {
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
	return s.notifyJobsTx(ctx, tx, []string{task.Queue})
}

// change locks a task that somebody must see to, unless somebody else has it
// locked, lets fn see to it, and says whether fn changed it.
func (s *Store[TTx]) change(ctx context.Context, id string, fn func(tx TTx, task *Locked) (changed bool, err error)) (bool, error) {
	var task *Locked
	changed := false
	err := s.driver.InTx(ctx, func(tx TTx) (err error) {
		changed = false
		if task, err = s.driver.Lock(ctx, tx, id, true); err != nil {
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
		s.notifier.TaskChanged(id)
		s.tell(ctx, task, telemetry.Audited{})
	}
	return changed, nil
}
