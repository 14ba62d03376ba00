package workers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/store"
)

// River is told nothing but these: it keeps error texts in its own tables, and
// some it cannot store.
var (
	errInternal  = errors.New("mcptasks: internal error; see the log")
	errCancelled = errors.New("mcptasks: the task was cancelled")
)

// elsewhere is how long a job is left alone that this node cannot run now: its
// tool is another node's, or the database did not answer.
const elsewhere = time.Second

// worker is the one River worker: every job of ours is a task's.
type worker struct {
	river.WorkerDefaults[store.JobArgs]
	workers *Workers
}

// Timeout tells River to set none: a run's limit is its task's.
func (*worker) Timeout(*river.Job[store.JobArgs]) time.Duration { return -1 }

// Work runs the task that the job stands for.
func (w *worker) Work(ctx context.Context, job *river.Job[store.JobArgs]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.workers.log.ErrorContext(ctx, "mcptasks: a run failed outside its handler",
				"task_id", job.Args.TaskID, "job_id", job.ID, "panic", p, "stack", string(debug.Stack()))
			err = errInternal
		}
	}()
	growStack()
	w.workers.take(job.ID)
	defer w.workers.giveBack(job.ID)
	return w.workers.work(ctx, job)
}

// growStack has the goroutine's stack grow to the 16 KiB that most runs need while
// there is little on it to be copied. River begins each job on a new stack, which would
// grow and be copied again and again on the way down to a handler: a tenth of what an
// empty run costs this process.
//
//go:noinline
func growStack() {
	var room [7 << 10]byte
	runtime.KeepAlive(&room)
}

func (w *Workers) take(jobID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs[jobID] = struct{}{}
	w.taken++
}

func (w *Workers) giveBack(jobID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, jobID)
}

// work claims the task, runs its tool once and writes what came of it. What it
// returns steers River: nil ends the job, JobSnooze runs the same job again, and
// the context's error at a shutdown makes it available to others at once.
func (w *Workers) work(ctx context.Context, job *river.Job[store.JobArgs]) error {
	if w.heartbeat.dead() { // the others would take the run's task from it at once
		return river.JobSnooze(elsewhere + rand.N(elsewhere/4))
	}
	claimed, err := w.store.Claim(ctx, job.Args.TaskID, job.ID, w.names, w.nodeID)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, mcptasks.ErrUnknownTool) {
			w.log.WarnContext(ctx, "mcptasks: a task could not be claimed; trying again", "task_id", job.Args.TaskID, "job_id", job.ID, "error", err)
		}
		return river.JobSnooze(elsewhere + rand.N(elsewhere/4))
	}
	if claimed == nil { // ended, or given to another job: nothing to run
		return nil
	}
	tool, _ := w.tools.Get(claimed.Tool)

	ctx, span := w.startSpan(ctx, job, claimed)
	defer span.end(ctx)
	r := w.newRun(ctx, claimed, tool)
	defer w.finished(r)
	verdict := w.caller.Call(r.ctx, mcptasks.NewRun(r.TaskID, claimed.Attempts+1, claimed.Recorded, r), mcptasks.CreateParams{
		Tool:      claimed.Tool,
		Arguments: claimed.Arguments,
		Meta:      claimed.RequestMeta,
	})
	span.cause = verdict.Cause
	span.outcome, err = w.settle(ctx, r, verdict)
	return err
}

// settle writes what the verdict means for the task, unless the run's end was
// not the handler's doing. It returns what came of the run, for telemetry, and what
// steers River.
func (w *Workers) settle(ctx context.Context, r *run, v mcptasks.Verdict) (outcome string, err error) {
	switch cause := context.Cause(r.ctx); {
	case errors.Is(cause, errAnswered):
		return telemetry.Snoozed, river.JobSnooze(0)
	case errors.Is(cause, mcptasks.ErrParked):
		if !errors.Is(v.Cause, mcptasks.ErrParked) {
			w.log.WarnContext(ctx, "mcptasks: the handler did not return the error of its question; the task waits for the answer all the same",
				append(r.attrs(), "error", v.Cause)...)
		}
		return telemetry.Parked, nil
	case errors.Is(cause, mcptasks.ErrCancelled):
		return telemetry.Cancelled, river.JobCancel(errCancelled)
	case errors.Is(cause, mcptasks.ErrSuperseded) && v.Cause != nil, errors.Is(cause, mcptasks.ErrSuperseded) && v.Snoozed:
		return telemetry.Lost, river.JobSnooze(elsewhere) // if the task is this job's after all, it runs again
	case errors.Is(cause, mcptasks.ErrRunTimeout):
		return r.timedOut()
	case v.Interrupted(cause):
		return telemetry.Interrupted, ctx.Err()
	case v.Snoozed:
		r.progress.flush()
		return telemetry.Snoozed, river.JobSnooze(v.After)
	case v.Retry && r.Attempts+1 < r.MaxAttempts:
		return w.retry(ctx, r, v.Cause)
	default:
		return w.finish(ctx, r, v.Outcome, v.Cause)
	}
}

func (w *Workers) retry(ctx context.Context, r *run, cause error) (string, error) {
	errs := r.Attempts + 1
	wait := max(r.tool.Options.Backoff(errs), 0)
	w.log.InfoContext(ctx, "mcptasks: the handler failed; another attempt follows", append(r.attrs(), "attempt", errs, "wait", wait, "error", cause)...)
	held, err := w.write(ctx, r, func(ctx context.Context) (bool, error) {
		return w.store.Retry(ctx, store.Retry{
			Fence:        r.Fence,
			Message:      fmt.Sprintf("Attempt %d of %d failed; the next follows in %s.", errs, r.MaxAttempts, wait.Round(100*time.Millisecond)),
			TraceContext: telemetry.After(ctx, r.TraceContext),
			Event:        store.Event{Kind: store.EventError, Node: w.nodeID, Detail: cause.Error()},
		})
	})
	if !held || err != nil {
		return telemetry.Lost, err
	}
	w.metrics.Retries.Add(ctx, 1, r.Tool)
	return telemetry.Retried, river.JobSnooze(wait)
}

func (w *Workers) finish(ctx context.Context, r *run, outcome *mcptasks.Outcome, cause error) (string, error) {
	event := store.Event{Node: w.nodeID}
	switch {
	case cause == nil: // the quiet path writes no event
	case outcome.Error != nil:
		event.Kind, event.Detail = store.EventFailed, cause.Error()
		w.log.WarnContext(ctx, "mcptasks: the task failed", append(r.attrs(), "error", cause)...)
	default:
		event.Kind, event.Detail = store.EventError, cause.Error()
	}
	held, err := w.write(ctx, r, func(ctx context.Context) (bool, error) {
		held, err := w.store.Finish(ctx, r.Fence, r.Tool, outcome, event)
		if errors.Is(err, mcptasks.ErrInvalid) { // the database will never take it
			w.log.ErrorContext(ctx, "mcptasks: the outcome cannot be stored", append(r.attrs(), "error", err)...)
			event.Kind, event.Detail = store.EventFailed, "the outcome cannot be stored"
			return w.store.Finish(ctx, r.Fence, r.Tool, mcptasks.Failure("The tool's result cannot be stored."), event)
		}
		return held, err
	})
	if !held || err != nil {
		return telemetry.Lost, err
	}
	return store.OutcomeName(outcome.Status(), outcome.IsError), nil
}

// write tries until the write is done or its fence refuses it, however long the
// database is away: a finished run's outcome is not lost. It gives up when the
// node is stopping and its grace is over; the task then runs again. It returns
// whether the run still held its task, or ctx's error.
func (w *Workers) write(ctx context.Context, r *run, write func(context.Context) (bool, error)) (bool, error) {
	const first, most = 50 * time.Millisecond, 5 * time.Second
	for wait := first; ; wait = min(2*wait, most) {
		held, err := write(context.WithoutCancel(ctx))
		if err == nil {
			if !held && wait == first { // a later try may find its own write
				w.log.InfoContext(ctx, "mcptasks: a run that had lost its task ended", r.attrs()...)
				return false, nil
			}
			return true, nil
		}
		w.log.WarnContext(ctx, "mcptasks: the end of a run could not be written; trying again", append(r.attrs(), "wait", wait, "error", err)...)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
