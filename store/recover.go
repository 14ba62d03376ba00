package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
)

// Kinds of [Event].
const (
	EventError     = "error"     // an attempt ended with an error; another follows, or it was the answer
	EventFailed    = "failed"    // the task failed: a panic, a time limit, a result that could not be kept
	EventRecovered = "recovered" // the run's process died; the task has a fresh job
)

// BeginWork is called before a node fetches jobs. On a database that one process
// at a time works, it takes the lock for that (an error if another process holds
// it) and gives every run that did not finish a fresh job: whoever ran them is
// dead. Elsewhere it does nothing, since other nodes may be alive. The returned
// function is called when the node fetches no more.
func (s *Store[TTx]) BeginWork(ctx context.Context) (end func() error, err error) {
	exclusive, ok := s.driver.(Exclusive[TTx])
	if !ok {
		return func() error { return nil }, nil
	}
	unlock, err := exclusive.LockWorker()
	if err != nil {
		return nil, wrap("start", "", err)
	}
	if err := s.recoverAll(ctx, exclusive); err != nil {
		_ = unlock()
		return nil, wrap("start", "", err)
	}
	return unlock, nil
}

func (s *Store[TTx]) recoverAll(ctx context.Context, exclusive Exclusive[TTx]) error {
	var recovered, poisoned []*Unfinished
	err := s.driver.InTx(ctx, func(tx TTx) error {
		recovered, poisoned = nil, nil
		now := s.now()
		unfinished, err := exclusive.Unfinished(ctx, tx)
		if err != nil {
			return err
		}
		var jobs []river.InsertManyParams
		for _, task := range unfinished {
			task.RunToken = ""
			if task.WasRunning {
				task.Recoveries++
			}
			if task.Recoveries > s.config.MaxRecoveries {
				task.RunToken = uuid.NewString() // a fence to fail it under
				poisoned = append(poisoned, task)
			} else {
				recovered = append(recovered, task)
			}
			jobs = append(jobs, job(task.TaskID, task.Queue, task.Priority))
		}
		if len(jobs) > 0 {
			inserted, err := s.river.InsertManyTx(ctx, tx, jobs)
			if err != nil {
				return err
			}
			for i, task := range unfinished {
				task.JobID = inserted[i].Job.ID
			}
			if err := exclusive.Requeue(ctx, tx, unfinished, now); err != nil {
				return err
			}
		}
		_, err = exclusive.DiscardRunning(ctx, tx, now)
		return err
	})
	if err != nil {
		return err
	}
	for _, task := range poisoned {
		sentence := fmt.Sprintf("The tool's process died %d times in a row.", task.Recoveries)
		fence := Fence{TaskID: task.TaskID, JobID: task.JobID, RunToken: task.RunToken}
		if _, err := s.Finish(ctx, fence, mcptasks.Failure(sentence), Event{Kind: EventFailed, Detail: sentence}); err != nil {
			return err
		}
	}
	if len(recovered) > 0 {
		s.config.Logger.InfoContext(ctx, "mcptasks: unfinished tasks run again", "tasks", len(recovered))
	}
	for _, task := range recovered {
		s.config.Changed(task.TaskID)
	}
	return nil
}
