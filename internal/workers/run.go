package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/backoff"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/question"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// run is one execution of a handler in this process. It implements toolcall.Journal, to
// which the handler's steps, questions and progress go.
type run struct {
	*driver.Claimed
	workers *Workers
	tool    *mcptasks.Tool
	ctx     context.Context // the handler's; its cause is one of package mcptasks' errors
	cancel  context.CancelCauseFunc
	// timedOut fails the task because its run took too long, once, and returns what
	// settle returns.
	timedOut func() (outcome string, err error)
	progress *progress
	stop     []func() bool
	measure  sync.Once // how long the cancel took to get here
}

// newRun starts a run's context. It does not end together with River's: interrupted finds
// out first why River's ended.
func (w *Workers) newRun(ctx context.Context, claimed *driver.Claimed, tool *mcptasks.Tool) *run {
	r := &run{Claimed: claimed, workers: w, tool: tool}
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	r.progress = &progress{write: r.writeProgress, later: w.later}
	w.mu.Lock()
	w.runs[r] = struct{}{}
	w.mu.Unlock()
	r.timedOut = sync.OnceValues(func() (string, error) {
		return w.finish(ctx, r, failure.TimedOut(r.RunTimeout), mcptasks.ErrRunTimeout)
	})
	// Both write, so Stop waits for them once they have started.
	interrupted := w.callback(func() { r.interrupted(context.Cause(ctx)) })
	r.stop = []func() bool{
		interrupted.stopper(context.AfterFunc(ctx, interrupted.call)),
		w.later(claimed.RunTimeout, r.timeout),
	}
	return r
}

// A callback is called by a timer or a context, unless it is stopped before. Stop of
// Workers waits for it.
type callback struct {
	workers *Workers
	fn      func()
}

func (w *Workers) callback(fn func()) callback {
	w.callbacks.Add(1)
	return callback{w, fn}
}

func (c callback) call() {
	defer c.workers.callbacks.Done()
	c.fn()
}

func (c callback) stopper(stop func() bool) func() bool {
	return func() bool {
		stopped := stop()
		if stopped {
			c.workers.callbacks.Done()
		}
		return stopped
	}
}

// later calls fn after d, unless it is stopped before.
func (w *Workers) later(d time.Duration, fn func()) (stop func() bool) {
	callback := w.callback(fn)
	return callback.stopper(time.AfterFunc(d, callback.call).Stop)
}

// finished forgets the run. When it returns, nothing more is written for it.
func (w *Workers) finished(r *run) {
	r.progress.drop()
	for _, stop := range r.stop {
		stop()
	}
	r.cancel(context.Canceled)
	w.mu.Lock()
	delete(w.runs, r)
	w.mu.Unlock()
}

// interrupted ends the run because River ended its job's context: the job was cancelled,
// or the node's grace is over.
func (r *run) interrupted(cause error) {
	if !errors.Is(cause, rivertype.ErrJobCancelledRemotely) {
		r.cancel(mcptasks.ErrShutdown)
		return
	}
	r.lost()
}

// timeout fails the task at once, even if the handler ignores the end of its context.
func (r *run) timeout() {
	r.cancel(mcptasks.ErrRunTimeout)
	if errors.Is(context.Cause(r.ctx), mcptasks.ErrRunTimeout) {
		_, _ = r.timedOut() // settle returns the same to River
	}
}

// lost ends a run that no longer holds its task. The cause is ErrCancelled if the task was
// cancelled, and ErrSuperseded otherwise.
func (r *run) lost() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 10*time.Second)
	defer cancel()
	task, err := r.workers.store.Get(ctx, r.Owner, r.TaskID)
	if err == nil && task.Status == mcptasks.StatusCancelled {
		r.cancelled(task.FinishedAt)
		return
	}
	r.cancel(mcptasks.ErrSuperseded)
}

// cancelled ends the run because its task was cancelled at that time.
func (r *run) cancelled(at time.Time) {
	r.cancel(mcptasks.ErrCancelled)
	if errors.Is(context.Cause(r.ctx), mcptasks.ErrCancelled) { // otherwise the run had already ended
		r.measure.Do(func() { r.workers.metrics.CancelLatency.RecordDuration(r.ctx, time.Since(at), r.Tool) })
	}
}

// Report implements toolcall.Journal.
func (r *run) Report(done, total float64, message string) {
	r.progress.report(driver.Progress{Done: done, Total: total, Message: message})
}

func (r *run) writeProgress(p driver.Progress) {
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

// errAnswered ends a run whose questions were all answered before it could park: the same
// job runs again and finds the answers.
var errAnswered = fmt.Errorf("%w: the answer has arrived", mcptasks.ErrParked)

// Park implements toolcall.Journal. When it returns, the task waits for its answers and
// this run is over, or the error says why not.
func (r *run) Park(ctx context.Context, open map[string]question.Question) error {
	r.progress.flush() // so that the client sees how far the work is when it is asked
	questions := question.Map[mcptasks.Question](open)
	return r.persist(ctx, "questions", func(ctx context.Context) (bool, error) {
		parked, held, err := r.workers.store.Park(ctx, r.Fence, questions, r.tool.Options.QuestionDeadline)
		switch {
		case err != nil || !held:
			return held, err
		case parked:
			telemetry.AddQuestions(ctx, questions)
			r.workers.metrics.Parks.Add(ctx, 1, r.Tool)
			r.cancel(mcptasks.ErrParked)
		default:
			r.cancel(errAnswered)
		}
		return true, context.Cause(r.ctx)
	})
}

// SaveStep implements toolcall.Journal.
func (r *run) SaveStep(ctx context.Context, key string, result json.RawMessage, began time.Time) (json.RawMessage, error) {
	step := driver.Step{Fence: r.Fence, Key: key, Result: result, BeganAt: began, EndedAt: began.Add(time.Since(began))}
	var stored json.RawMessage
	err := r.persist(ctx, "step "+key, func(ctx context.Context) (held bool, err error) {
		stored, held, err = r.workers.store.SaveStep(ctx, step)
		return held, err
	})
	return stored, err
}

// persistLimit bounds one attempt of persist.
const persistLimit = 30 * time.Second

// persist calls write until it succeeds, or the run ends: a step that is done but not
// recorded would be done again. If the run has lost its task, it returns the cause of the
// run's end.
func (r *run) persist(ctx context.Context, what string, write func(context.Context) (held bool, err error)) error {
	for attempt := range backoff.Attempts(r.ctx, firstPause, longestPause) {
		// The end of a context must not lose what is done: the fence decides whether it
		// still counts.
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistLimit)
		held, err := write(once)
		cancel()
		switch {
		case err == nil && !held:
			r.lost()
			return context.Cause(r.ctx)
		case err == nil:
			return nil
		case errors.Is(err, mcptasks.ErrInvalid):
			return mcptasks.Permanent(err)
		case r.ctx.Err() != nil:
			return context.Cause(r.ctx)
		}
		r.workers.log.WarnContext(ctx, "mcptasks: a run could not record what it did; trying again", append(r.attrs(), "what", what, "attempt", attempt, "error", err)...)
	}
	return context.Cause(r.ctx)
}

func (r *run) attrs() []any {
	return []any{"task_id", r.TaskID, "tool", r.Tool, "job_id", r.JobID, "run_seq", r.RunSeq}
}
