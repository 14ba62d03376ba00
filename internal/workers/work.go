package workers

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/question"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// elsewhereDelay is how long a job is snoozed that this node cannot run now: it has no
// handler for the tool, or the database did not answer.
const elsewhereDelay = time.Second

// work claims the task, runs its tool once and writes the result. What it returns steers
// River: nil ends the job, JobSnooze runs the same job again, and the context's error at
// a shutdown makes the job available to other nodes at once.
func (w *Workers) work(ctx context.Context, job *river.Job[riverdb.JobArgs]) error {
	if w.heartbeat.dead() { // the other nodes would recover the task at once
		return notHere()
	}
	claimed, err := w.store.Claim(ctx, job.Args.TaskID, job.ID, w.names, w.nodeID)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, mcptasks.ErrUnknownTool) {
			w.log.WarnContext(ctx, "mcptasks: a task could not be claimed; trying again", "task_id", job.Args.TaskID, "job_id", job.ID, "error", err)
		}
		return notHere()
	}
	if claimed == nil { // the task has ended or has another job now
		return nil
	}
	tool, _ := w.tools.Get(claimed.Tool)

	ctx, span := w.startSpan(ctx, job, claimed)
	defer span.end(ctx)
	r := w.newRun(ctx, claimed, tool)
	defer w.finished(r)
	verdict := w.caller.Call(r.ctx, toolcall.Call{
		TaskID:    r.TaskID,
		Attempt:   claimed.Attempts + 1,
		Tool:      claimed.Tool,
		Arguments: claimed.Arguments,
		Steps:     claimed.Steps,
		Questions: question.Map[question.Question](claimed.Questions),
		Journal:   r,
	})
	span.cause = verdict.Cause
	span.outcome, err = w.settle(ctx, r, verdict)
	return err
}

// notHere snoozes a job that this node cannot run now. Jobs snoozed at the same moment
// come back spread over a quarter of the delay.
func notHere() error { return river.JobSnooze(elsewhereDelay + rand.N(elsewhereDelay/4)) }

// hold notes that River has handed the job over to this node.
func (w *Workers) hold(jobID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs[jobID] = struct{}{}
	w.fetched++
}

// release notes that the job's work has ended.
func (w *Workers) release(jobID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, jobID)
}

func (w *Workers) holds(jobID int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, here := w.jobs[jobID]
	return here
}
