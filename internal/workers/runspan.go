package workers

import (
	"context"
	"time"

	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/store"
)

// A watched run is one that telemetry is told of.
type runSpan struct {
	workers *Workers
	tool    string
	span    trace.Span
	began   time.Time
	outcome string
	cause   error // why the handler did not succeed
}

// watch begins to watch the run of a task that has just been claimed, in a span of the
// task's trace, which the returned context has.
func (w *Workers) startSpan(ctx context.Context, job *river.Job[store.JobArgs], claimed *store.Claimed) (context.Context, *runSpan) {
	run := &runSpan{workers: w, tool: claimed.Tool, began: time.Now(), outcome: telemetry.Lost}
	w.metrics.QueueWait.Took(ctx, run.began.Sub(job.ScheduledAt), claimed.Tool, job.Queue)
	w.metrics.Active.Add(ctx, 1, claimed.Tool)
	ctx, run.span = w.tracer.Run(ctx, telemetry.ParseOrigin(claimed.TraceContext), telemetry.Run{
		TaskID: claimed.TaskID, Tool: claimed.Tool, Queue: job.Queue, Node: w.nodeID,
		JobID: claimed.JobID, RunSeq: claimed.RunSeq, Attempt: claimed.Attempts + 1,
	})
	return ctx, run
}

// end tells how the run ended.
func (r *runSpan) end(ctx context.Context) {
	metrics := r.workers.metrics
	metrics.Active.Add(ctx, -1, r.tool)
	metrics.RunTime.Took(ctx, time.Since(r.began), r.tool, r.outcome)
	telemetry.EndRun(r.span, r.outcome, r.cause)
}
