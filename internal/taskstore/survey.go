package taskstore

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

const (
	// surveyed is how many faults of a kind a survey lists.
	surveyed = 100

	// stray is how long a job must be nobody's to be a fault. A run that has just
	// parked leaves its job running until River's completer settles it, and one that
	// lost its task has River look at the job once more.
	stray = time.Minute
)

func (o operator[TTx]) Nodes(ctx context.Context) ([]driver.NodeSeen, error) {
	nodes, err := o.s.driver.Nodes(ctx)
	if err != nil {
		return nil, wrap("nodes", "", err)
	}
	return nodes, nil
}

func (o operator[TTx]) Survey(ctx context.Context) (_ *Survey, err error) {
	defer o.s.op(ctx, telemetry.OpSurvey, 0).end(&err)
	survey, err := o.survey(ctx)
	if err != nil {
		return nil, wrap("survey", "", err)
	}
	return survey, nil
}

func (o operator[TTx]) survey(ctx context.Context) (_ *Survey, err error) {
	var s Survey
	if s.Clock, s.Connections, err = o.s.driver.Server(ctx); err != nil {
		return nil, err
	}
	if s.Nodes, err = o.s.driver.Nodes(ctx); err != nil {
		return nil, err
	}
	if s.Tasks, err = o.s.driver.Live(ctx); err != nil {
		return nil, err
	}
	if s.Waiting, err = o.s.driver.Waiting(ctx); err != nil {
		return nil, err
	}
	now := o.s.now()
	if s.Jobless, err = o.s.driver.Broken(ctx, now.Add(-o.s.config.Lease()), surveyed); err != nil {
		return nil, err
	}
	s.Taskless, err = o.s.driver.Taskless(ctx, stray, now.Add(-stray), surveyed)
	return &s, err
}
