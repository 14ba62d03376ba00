package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/backoff"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// Pauses between the attempts to write what a run did.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

// settle writes what the verdict means for the task, unless the run ended for another
// reason than its handler. It returns the run's outcome for telemetry, and the error that
// steers River.
func (w *Workers) settle(ctx context.Context, r *run, v toolcall.Verdict) (outcome string, err error) {
	switch cause := context.Cause(r.ctx); {
	case errors.Is(cause, errAnswered):
		return telemetry.Snoozed, river.JobSnooze(0)
	case errors.Is(cause, mcptasks.ErrParked):
		if !errors.Is(v.Cause, mcptasks.ErrParked) {
			w.log.WarnContext(ctx, "mcptasks: the handler did not return the error of its question; the task still waits for the answer",
				append(r.attrs(), "error", v.Cause)...)
		}
		return telemetry.Parked, nil
	case errors.Is(cause, mcptasks.ErrCancelled):
		return telemetry.Cancelled, river.JobCancel(errCancelled)
	case errors.Is(cause, mcptasks.ErrSuperseded) && !v.HasResult():
		return telemetry.Lost, river.JobSnooze(elsewhereDelay) // if the task still has this job, it runs again
	case errors.Is(cause, mcptasks.ErrRunTimeout):
		return r.timedOut()
	case errors.Is(cause, mcptasks.ErrShutdown) && !v.HasResult():
		return telemetry.Interrupted, ctx.Err()
	case v.Snoozed:
		r.progress.flush()
		return telemetry.Snoozed, river.JobSnooze(v.After)
	case v.Retry && r.Attempts+1 < r.MaxAttempts:
		return w.retry(ctx, r, v.Cause)
	default:
		return w.finish(ctx, r, (*mcptasks.Outcome)(v.Outcome), v.Cause)
	}
}

func (w *Workers) retry(ctx context.Context, r *run, cause error) (string, error) {
	errs := r.Attempts + 1
	wait := max(r.tool.Options.Backoff(errs), 0)
	w.log.InfoContext(ctx, "mcptasks: the handler failed; another attempt follows", append(r.attrs(), "attempt", errs, "wait", wait, "error", cause)...)
	held, err := w.write(ctx, r, func(ctx context.Context) (bool, error) {
		return w.store.FailAttempt(ctx, driver.FailedAttempt{
			Fence:        r.Fence,
			Message:      fmt.Sprintf("Attempt %d of %d failed; the next follows in %s.", errs, r.MaxAttempts, wait.Round(100*time.Millisecond)),
			TraceContext: telemetry.After(ctx, r.TraceContext),
			Event:        driver.Event{Kind: driver.EventError, Node: w.nodeID, Detail: cause.Error()},
		})
	})
	if !held || err != nil {
		return telemetry.Lost, err
	}
	w.metrics.Retries.Add(ctx, 1, r.Tool)
	return telemetry.Retried, river.JobSnooze(wait)
}

func (w *Workers) finish(ctx context.Context, r *run, outcome *mcptasks.Outcome, cause error) (string, error) {
	event := driver.Event{Node: w.nodeID}
	switch {
	case cause == nil: // the quiet path writes no event
	case outcome.Error != nil:
		event.Kind, event.Detail = driver.EventFailed, cause.Error()
		w.log.WarnContext(ctx, "mcptasks: the task failed", append(r.attrs(), "error", cause)...)
	default:
		event.Kind, event.Detail = driver.EventError, cause.Error()
	}
	held, err := w.write(ctx, r, func(ctx context.Context) (bool, error) {
		held, err := w.store.Finish(ctx, r.Fence, r.Tool, outcome, event)
		if errors.Is(err, mcptasks.ErrInvalid) { // no later attempt can succeed
			w.log.ErrorContext(ctx, "mcptasks: the outcome cannot be stored", append(r.attrs(), "error", err)...)
			event.Kind, event.Detail = driver.EventFailed, "the outcome cannot be stored"
			return w.store.Finish(ctx, r.Fence, r.Tool, failure.Outcome("The tool's result cannot be stored."), event)
		}
		return held, err
	})
	if !held || err != nil {
		return telemetry.Lost, err
	}
	return taskstore.OutcomeName(outcome.Status(), outcome.IsError), nil
}

// write calls write until it succeeds or the fence rejects it, for as long as the database
// is away: the outcome of a run that has ended is not lost. It gives up when the node is
// stopping and its grace is over; the task then runs again. It returns whether the run
// still held its task, or ctx's error.
func (w *Workers) write(ctx context.Context, r *run, write func(context.Context) (bool, error)) (bool, error) {
	for attempt := range backoff.Attempts(ctx, firstPause, longestPause) {
		held, err := write(context.WithoutCancel(ctx))
		switch {
		case err == nil && !held && attempt == 1:
			w.log.InfoContext(ctx, "mcptasks: a run that had lost its task ended", r.attrs()...)
			return false, nil
		case err == nil: // after a failed attempt a rejection may mean that it was written after all
			return true, nil
		}
		w.log.WarnContext(ctx, "mcptasks: the end of a run could not be written; trying again", append(r.attrs(), "attempt", attempt, "error", err)...)
	}
	return false, ctx.Err()
}
