package runner

import (
	"context"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// auditRead writes the audit line for an outcome that is returned, if the task has one.
func auditRead(ctx context.Context, audit telemetry.Audit, task *mcptasks.Task, operator bool) {
	if task != nil && task.Outcome != nil {
		audit.Log(ctx, telemetry.Audited{
			Action: telemetry.AuditRead, Owner: string(task.Owner), TaskID: task.ID, Tool: task.Tool, Operator: operator,
		})
	}
}

// figures returns a function that reads the metrics of the whole database, nil on failure.
func figures(cfg *config.Config, operator taskstore.Operator) func(context.Context) *telemetry.Figures {
	return func(ctx context.Context) *telemetry.Figures {
		survey, err := operator.Survey(ctx)
		if err != nil {
			cfg.Logger.WarnContext(ctx, "mcptasks: the database could not be surveyed for metrics", "error", err)
			return nil
		}
		figures := &telemetry.Figures{
			Working:       survey.Tasks[mcptasks.StatusWorking],
			InputRequired: survey.Tasks[mcptasks.StatusInputRequired],
		}
		for _, node := range survey.Nodes {
			if node.Silent <= cfg.Lease() {
				figures.Nodes++
			}
		}
		for _, w := range survey.Waiting {
			figures.Queues = append(figures.Queues, telemetry.Backlog{Queue: w.Queue, Tool: w.Tool, Jobs: w.Jobs, Oldest: w.Oldest})
		}
		return figures
	}
}
