package taskstore

import (
	"context"
	"fmt"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// RecoverLost gives a fresh job to the task of a job whose fetch never reached the node:
// the reply was lost. This does not count as a death. It returns whether it did so: not
// while another transaction has the task locked, nor if the task no longer has the job.
// It then discards the job, unless the task still has it. by is the node's id.
func (s *Store[TTx]) RecoverLost(ctx context.Context, lost driver.Job, by string) (bool, error) {
	done, err := s.recover(ctx, lost, func(tx TTx, task *lockedTask) error {
		event := driver.Event{Kind: driver.EventRecovered, Node: by, Detail: fmt.Sprintf("the fetch of job %d was lost", lost.ID)}
		task.effects.recovered = telemetry.Fetch
		return s.requeueTx(ctx, tx, task, telemetry.SpanRecover, task.Recoveries, event)
	})
	if err == nil {
		err = s.discard(ctx, lost)
	}
	if err != nil {
		return done, wrap("recover", lost.TaskID, err)
	}
	return done, nil
}
