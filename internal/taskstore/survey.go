package taskstore

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Survey is what an operator asks of a database as a whole. Its figures are not of
// one moment: they are read one after the other.
type Survey struct {
	// Clock is the database's time, read at the survey's beginning.
	Clock time.Time

	// Connections are those of the database's server. Zero on SQLite.
	Connections driver.Connections

	Nodes []driver.NodeSeen

	// Tasks are how many there are in each status that is not terminal; a status
	// of no task is absent.
	Tasks map[mcptasks.Status]int

	// Waiting are the jobs that wait for a worker, by queue and tool.
	Waiting []driver.Waiting

	// Jobless are tasks that have stood still for a lease without a job that
	// could run them, though nothing else would: working ones, and ones that wait
	// for input when no question is open. A sweep gives them a fresh job. At most
	// 100.
	Jobless []string

	// Taskless are River jobs of ours that have not ended and that no working task
	// has as its job, oldest first. What River has yet to settle after a run is
	// none: the job, and the task that it names, must have stood still for a
	// minute. At most 100.
	Taskless []driver.Job
}

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
