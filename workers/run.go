package workers

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

// run is one execution of a handler in this process, and the journal its steps
// and progress go to.
type run struct {
	*store.Claimed
	workers *Workers
	ctx     context.Context // the handler's; it ends with one of the causes of package mcptasks
	cancel  context.CancelCauseFunc
	stop    []func() bool
}

// begin starts a run's context. It does not end with River's by itself: River's
// reason for that is looked into first.
func (w *Workers) begin(ctx context.Context, claimed *store.Claimed) *run {
	r := &run{Claimed: claimed, workers: w}
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	w.mu.Lock()
	w.runs[r] = struct{}{}
	w.mu.Unlock()
	r.stop = []func() bool{
		context.AfterFunc(ctx, func() { r.interrupted(context.Cause(ctx)) }),
		time.AfterFunc(claimed.RunTimeout, r.timeout).Stop,
	}
	return r
}

// finished lets go of the run when nothing more will be written for it.
func (w *Workers) finished(r *run) {
	for _, stop := range r.stop {
		stop()
	}
	r.cancel(context.Canceled)
	w.mu.Lock()
	delete(w.runs, r)
	w.mu.Unlock()
}

// interrupted ends the run because River ended its job: somebody cancelled the
// job, or the node's grace is over.
func (r *run) interrupted(cause error) {
	if !errors.Is(cause, rivertype.ErrJobCancelledRemotely) {
		r.cancel(mcptasks.ErrShutdown)
		return
	}
	r.lost()
}

// timeout fails the task at once, whether or not the handler heeds its context.
func (r *run) timeout() {
	r.cancel(mcptasks.ErrRunTimeout)
	if errors.Is(context.Cause(r.ctx), mcptasks.ErrRunTimeout) {
		_ = r.workers.finish(r.ctx, r, timedOut(r), mcptasks.ErrRunTimeout)
	}
}

// lost ends the run when it no longer holds its task, or is told so, with the
// cause that the task's record gives.
func (r *run) lost() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 10*time.Second)
	defer cancel()
	task, err := r.workers.store.Get(ctx, r.Owner, r.TaskID)
	if err == nil && task.Status == mcptasks.StatusCancelled {
		r.cancel(mcptasks.ErrCancelled)
		return
	}
	r.cancel(mcptasks.ErrSuperseded)
}

// Report implements mcptasks.Journal.
func (r *run) Report(p mcptasks.Progress) {
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	held, err := r.workers.store.Report(ctx, r.Fence, p)
	switch {
	case r.ctx.Err() != nil:
	case err != nil:
		r.workers.log.WarnContext(ctx, "mcptasks: progress was not recorded", append(r.attrs(), "error", err)...)
	case !held:
		r.lost()
	}
}

// SaveStep implements mcptasks.Journal. It tries for as long as the run lasts:
// a step that is done but not recorded would be done again.
func (r *run) SaveStep(ctx context.Context, key string, result json.RawMessage) (json.RawMessage, error) {
	const first, most = 50 * time.Millisecond, 5 * time.Second
	for wait := first; ; wait = min(2*wait, most) {
		// No end of a context may lose a step that is done: the fence says whether
		// it still counts.
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		stored, held, err := r.workers.store.SaveStep(once, store.Step{Fence: r.Fence, Key: key, Result: result})
		cancel()
		switch {
		case err == nil && held:
			return stored, nil
		case err == nil:
			r.lost()
			return nil, context.Cause(r.ctx)
		case errors.Is(err, mcptasks.ErrInvalid):
			return nil, mcptasks.Permanent(err)
		}
		r.workers.log.WarnContext(ctx, "mcptasks: a step was not recorded; trying again", append(r.attrs(), "step", key, "wait", wait, "error", err)...)
		select {
		case <-time.After(wait):
		case <-r.ctx.Done():
			return nil, context.Cause(r.ctx)
		}
	}
}

func (r *run) attrs() []any {
	return []any{"task_id", r.TaskID, "tool", r.Tool, "job_id", r.JobID, "run_seq", r.RunSeq}
}
