package telemetry

import (
	"context"
	"log/slog"
)

// Actions of the audit log.
const (
	AuditCreate = "create"
	AuditAnswer = "answer"
	AuditCancel = "cancel"
	AuditRead   = "read" // an outcome was handed out
	AuditDelete = "delete"
)

// Audit is the log of who did what. The zero value logs nothing.
type Audit struct{ logger *slog.Logger }

// NewAudit returns an audit log that goes to the logger; nil is none.
func NewAudit(logger *slog.Logger) Audit { return Audit{logger} }

// Audited is something that was done.
type Audited struct {
	Action, Owner, TaskID, Tool string
	Operator                    bool // by an operator; the owner is the task's all the same
	Tx                          bool // in the program's own transaction, which may still roll back
}

// Log writes one line.
func (a Audit) Log(ctx context.Context, done Audited) {
	if a.logger == nil {
		return
	}
	attrs := []slog.Attr{
		slog.String("action", done.Action), slog.String("owner", done.Owner),
		slog.String("task_id", done.TaskID), slog.String("tool", done.Tool),
	}
	if done.Operator {
		attrs = append(attrs, slog.Bool("operator", true))
	}
	if done.Tx {
		attrs = append(attrs, slog.Bool("tx", true))
	}
	a.logger.LogAttrs(ctx, slog.LevelInfo, "mcptasks: audit", attrs...)
}
