package workers

import (
	"context"
	"time"

	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// runSpan is the span and the metrics of one run.
type runSpan struct {
	workers *Workers
	tool    string
	span    trace.Span
	began   time.Time
	outcome string
	cause   error // why the handler did not succeed
}

// startSpan starts the span of a run whose task has just been claimed, in the task's
// trace. The returned context carries it.
func (w *Workers) startSpan(ctx context.Context, job *river.Job[riverdb.JobArgs], claimed *driver.Claimed) (context.Context, *runSpan) {
	s := &runSpan{workers: w, tool: claimed.Tool, began: time.Now(), outcome: telemetry.Lost}
	w.metrics.QueueWait.RecordDuration(ctx, s.began.Sub(job.ScheduledAt), claimed.Tool, job.Queue)
	w.metrics.Active.Add(ctx, 1, claimed.Tool)
	ctx, s.span = w.tracer.Run(ctx, telemetry.ParseOrigin(claimed.TraceContext), telemetry.Run{
		TaskID: claimed.TaskID, Tool: claimed.Tool, Queue: job.Queue, Node: w.nodeID,
		JobID: claimed.JobID, RunSeq: claimed.RunSeq, Attempt: claimed.Attempts + 1,
	})
	return ctx, s
}

// end records how the run ended.
func (s *runSpan) end(ctx context.Context) {
	metrics := s.workers.metrics
	metrics.Active.Add(ctx, -1, s.tool)
	metrics.RunTime.RecordDuration(ctx, time.Since(s.began), s.tool, s.outcome)
	telemetry.EndRun(s.span, s.outcome, s.cause)
}
