package taskstore

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// An op is an operation of the store that is timed. It is begun and its end deferred
// in one line:
//
//	defer s.op(ctx, telemetry.OpClaim, 1).end(&err)
type op struct {
	telemetry.Op
	ctx context.Context
}

// op begins an operation. batch is how many tasks are read or written together, and 0 if
// that is not measured.
func (s *Store[TTx]) op(ctx context.Context, name string, batch int) op {
	return op{s.metrics.Op(ctx, name, batch), ctx}
}

func (o op) end(err *error) {
	switch {
	case *err == nil:
		o.End(o.ctx, telemetry.OK)
	case isRefusal(*err):
		o.End(o.ctx, telemetry.Rejected)
	default:
		o.End(o.ctx, telemetry.Error)
	}
}

// isRefusal reports whether the error is the caller's answer, not the database's
// trouble.
func isRefusal(err error) bool {
	for _, answer := range []error{
		mcptasks.ErrNotFound, mcptasks.ErrInvalid, mcptasks.ErrConflict, mcptasks.ErrLimit, mcptasks.ErrTerminal, mcptasks.ErrUnknownTool,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// A creation is a task's creation in its span.
type creation struct{ span trace.Span }

// traceCreate begins the span of the row's creation, which the row remembers. Its end
// is deferred in the same line.
func (s *Store[TTx]) traceCreate(ctx context.Context, row *driver.Row) creation {
	_, span := s.tracer.Create(ctx, row.Tool)
	telemetry.SetTask(span, row.ID, "")
	row.TraceContext = telemetry.Origin{Creator: span.SpanContext()}.String()
	return creation{span}
}

func (c creation) end(err *error) { telemetry.End(c.span, *err) }

// record counts and audits the effects on a task. by has Operator and Tx.
func (s *Store[TTx]) record(ctx context.Context, task *lockedTask, by telemetry.Audited) {
	if task.effects.ended != "" {
		s.metrics.Finishes.Add(ctx, 1, task.Tool, task.effects.ended)
	}
	if task.effects.cancelled != "" {
		s.metrics.Cancels.Add(ctx, 1, task.Tool, task.effects.cancelled)
	}
	if task.effects.recovered != "" {
		s.metrics.Recoveries.Add(ctx, 1, task.Tool, task.effects.recovered)
	}
	if task.effects.action != "" {
		by.Action, by.Owner, by.TaskID, by.Tool = task.effects.action, string(task.Owner), task.ID, task.Tool
		s.audit.Log(ctx, by)
	}
}

// recordCreated counts and audits tasks that were created.
func (s *Store[TTx]) recordCreated(ctx context.Context, rows []*driver.Row, by telemetry.Audited) {
	for _, row := range rows {
		s.metrics.Creates.Add(ctx, 1, row.Tool, row.Queue)
		by.Action, by.Owner, by.TaskID, by.Tool = telemetry.AuditCreate, string(row.Owner), row.ID, row.Tool
		s.audit.Log(ctx, by)
	}
}

// OutcomeName is what metrics call the outcome of a task that ended.
func OutcomeName(status mcptasks.Status, isError bool) string {
	switch {
	case status == mcptasks.StatusCancelled:
		return telemetry.Cancelled
	case status == mcptasks.StatusFailed:
		return telemetry.Failed
	case isError:
		return telemetry.Error
	default:
		return telemetry.Completed
	}
}
