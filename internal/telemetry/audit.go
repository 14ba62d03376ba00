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
	AuditRead   = "read" // somebody read an outcome
	AuditDelete = "delete"
)

// Audit logs who did what to which task. The zero value logs nothing. Safe for concurrent
// use.
type Audit struct{ logger *slog.Logger }

// NewAudit returns an audit log that writes to the logger; nil logs nothing.
func NewAudit(logger *slog.Logger) Audit { return Audit{logger} }

// Audited is one action.
type Audited struct {
	Action, Owner, TaskID, Tool string
	Operator                    bool // by an operator; Owner is still the task's
	Tx                          bool // in a transaction of the program, which may still roll back
}

// Log writes one line for the action.
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
