package taskstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// MaxRepairs is how many fresh jobs a task gets because it did not agree with its job,
// before it fails.
const MaxRepairs = 3

// Repair repairs the tasks that do not agree with their job and have not changed for
// settled. It is the part of Sweep that does not depend on the time of day.
func (s *Store[TTx]) Repair(ctx context.Context, settled time.Duration) (err error) {
	defer s.op(ctx, telemetry.OpSweep, 0).end(&err)
	return s.repair(ctx, settled)
}

func (s *Store[TTx]) repair(ctx context.Context, settled time.Duration) error {
	before := s.now().Add(-settled)
	return s.mend(ctx, telemetry.Repaired,
		func() ([]string, error) { return s.driver.Broken(ctx, before, sweepLimit) },
		func(tx TTx, task *lockedTask) error { return s.repairTx(ctx, tx, task) })
}

// suspect reports whether the task has not changed for so long that it should be compared
// with its job.
func (s *Store[TTx]) suspect(task *mcptasks.Task) bool {
	if task.Status == mcptasks.StatusInputRequired {
		return len(task.Questions) == 0
	}
	return task.Status == mcptasks.StatusWorking && s.now().Sub(task.UpdatedAt) > s.config.Lease()
}

func (s *Store[TTx]) repaired(ctx context.Context, task *mcptasks.Task) (*mcptasks.Task, error) {
	broken, err := s.driver.IsBroken(ctx, task.ID)
	if err != nil || !broken {
		return task, err
	}
	changed, err := s.changeFree(ctx, task.ID, func(tx TTx, locked *lockedTask) error { return s.repairTx(ctx, tx, locked) })
	if err != nil || !changed {
		return task, err
	}
	s.metrics.Swept.Add(ctx, 1, telemetry.Repaired)
	return s.driver.Get(ctx, task.Owner, task.ID, s.now())
}

// repairTx makes a locked task and its job agree. They may differ because an operator has
// used River's own tools, or because a row was lost.
func (s *Store[TTx]) repairTx(ctx context.Context, tx TTx, task *lockedTask) error {
	switch task.Status {
	case mcptasks.StatusInputRequired:
		questions, err := s.driver.Questions(ctx, tx, task.ID)
		if err != nil {
			return err
		}
		for _, question := range questions {
			if question.Open() {
				return nil
			}
		}
		return s.requeueTx(ctx, tx, task, telemetry.SpanRepair, task.Recoveries, driver.Event{Kind: driver.EventRepaired, Detail: "no question was open"})
	case mcptasks.StatusWorking:
		return s.repairWorkingTx(ctx, tx, task)
	default:
		return nil
	}
}

func (s *Store[TTx]) repairWorkingTx(ctx context.Context, tx TTx, task *lockedTask) error {
	state, _, err := s.driver.JobState(ctx, tx, task.JobID, task.ID)
	if err != nil && !errors.Is(err, mcptasks.ErrNotFound) {
		return err
	}
	end := func(end driver.Finish) error { return s.endOnlyTx(ctx, tx, task, end) }
	switch rivertype.JobState(state) {
	case rivertype.JobStateCancelled:
		task.effects.cancelled = telemetry.ByJob
		finish := cancelled(task.ID)
		finish.Event = driver.Event{Kind: driver.EventRepaired, Detail: fmt.Sprintf("job %d was cancelled", task.JobID)}
		return end(finish)
	case rivertype.JobStateDiscarded:
		return end(failed(task.ID, "The task was ended by the service.", driver.Event{Kind: driver.EventRepaired, Detail: fmt.Sprintf("job %d was discarded", task.JobID)}))
	case rivertype.JobStateCompleted, "": // it ended without its task, or it is gone
	default:
		return nil
	}
	repairs, err := s.driver.CountEvents(ctx, tx, task.ID, driver.EventRepaired)
	if err != nil {
		return err
	}
	if repairs >= MaxRepairs {
		return end(failed(task.ID, "The task could not be run.", driver.Event{Kind: driver.EventFailed, Detail: fmt.Sprintf("job %d is gone or completed; repaired %d times before", task.JobID, repairs)}))
	}
	detail := fmt.Sprintf("job %d is gone or completed", task.JobID)
	return s.requeueTx(ctx, tx, task, telemetry.SpanRepair, task.Recoveries, driver.Event{Kind: driver.EventRepaired, Detail: detail})
}
