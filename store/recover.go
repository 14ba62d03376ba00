package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Kinds of [Event].
const (
	EventError     = "error"     // an attempt ended with an error; another follows, or it was the answer
	EventParked    = "parked"    // the run ended: the task waits for answers
	EventFailed    = "failed"    // the task failed: a panic, a time limit, a result that could not be kept
	EventRecovered = "recovered" // the node that ran the task died, or lost the job; it has a fresh one
	EventRepaired  = "repaired"  // task and job did not agree
	EventCancelled = "cancelled" // by an operator
)

// sweepLimit is how many tasks or jobs a sweep looks for at once.
const sweepLimit = 100

// BeginWork is called before a node first beats. On a database that one process at
// a time works, it takes the lock for that (an error if another process holds it)
// and forgets all nodes: they are dead. Elsewhere it does nothing, since other
// nodes may be alive. The returned function is called when the node fetches no
// more.
func (s *Store[TTx]) BeginWork(ctx context.Context) (end func() error, err error) {
	exclusive, ok := s.driver.(Exclusive)
	if !ok {
		return func() error { return nil }, nil
	}
	unlock, err := exclusive.LockWorker()
	if err != nil {
		return nil, wrap("start", "", err)
	}
	if err = s.driver.Forget(ctx, ""); err == nil {
		_, err = s.Reap(ctx, "", 0, func() bool { return true })
	}
	if err != nil {
		_ = unlock()
		return nil, wrap("start", "", err)
	}
	return unlock, nil
}

// Beat records that the node lives, and returns when, by the database's clock.
func (s *Store[TTx]) Beat(ctx context.Context, node Node) (at time.Time, err error) {
	defer s.op(ctx, telemetry.OpHeartbeat, 0).end(&err)
	if at, err = s.driver.Beat(ctx, node); err != nil {
		return time.Time{}, wrap("beat", "", err)
	}
	return at, nil
}

// Forget removes a node that has stopped.
func (s *Store[TTx]) Forget(ctx context.Context, nodeID string) error {
	if err := s.driver.Forget(ctx, nodeID); err != nil {
		return wrap("stop", "", err)
	}
	return nil
}

// Reap recovers the tasks of nodes that have sent no heartbeat for the lease: each gets a
// fresh job, or fails when too many workers in a row have died of it. It then discards
// the jobs that such nodes have left running. A node may only have been frozen and
// complete a discarded job later: River 0.48 and newer ignores that. Any number of nodes
// may reap at once. Reap returns how many tasks it has recovered. by is the id of the
// reaping node, for the timeline. Before each job, steady is asked whether the node may
// still take others for dead: the database may go away in between.
func (s *Store[TTx]) Reap(ctx context.Context, by string, lease time.Duration, steady func() bool) (_ int, err error) {
	defer s.op(ctx, telemetry.OpReap, 0).end(&err)
	reaped, err := s.eachJob(ctx, steady,
		func() ([]Job, error) { return s.driver.Orphans(ctx, lease, sweepLimit) },
		func(orphan Job) (bool, error) {
			return s.giveFreshJob(ctx, orphan, func(tx TTx, task *Locked) error { return s.recoverTx(ctx, tx, task, orphan.Node, by) })
		})
	s.metrics.Swept.Add(ctx, reaped, telemetry.Reaped)
	_, leftErr := s.eachJob(ctx, steady,
		func() ([]Job, error) { return s.driver.Leftovers(ctx, lease, sweepLimit) },
		func(left Job) (bool, error) { return true, s.discard(ctx, left) })
	return reaped, errors.Join(err, leftErr)
}

// eachJob sees to what find finds, batch by batch, while steady. What fails does not
// keep it from the rest. It returns how many jobs see saw to.
func (s *Store[TTx]) eachJob(ctx context.Context, steady func() bool, find func() ([]Job, error), see func(Job) (bool, error)) (int, error) {
	seen := 0
	var errs []error
	for {
		jobs, err := find()
		if err != nil {
			return seen, errors.Join(append(errs, wrap("reap", "", err))...)
		}
		before := seen
		for _, job := range jobs {
			if !steady() || ctx.Err() != nil {
				return seen, errors.Join(errs...)
			}
			ok, err := see(job)
			if err != nil {
				errs = append(errs, wrap("reap", job.TaskID, err))
			} else if ok {
				seen++
			}
		}
		if len(jobs) < sweepLimit || seen == before {
			return seen, errors.Join(errs...)
		}
	}
}

// recoverTx counts the death of a run's worker, if there was a run, and gives the
// task a fresh job, or fails it.
func (s *Store[TTx]) recoverTx(ctx context.Context, tx TTx, task *Locked, dead, by string) error {
	deaths := task.Recoveries
	if task.Running {
		deaths++
	}
	if deaths > s.config.MaxRecoveries {
		sentence := fmt.Sprintf("The tool's process died %d times in a row.", deaths)
		return s.endOnlyTx(ctx, tx, task, failed(task.ID, sentence, Event{Kind: EventFailed, Node: by, Detail: sentence}))
	}
	task.done.recovered = telemetry.Death
	detail := fmt.Sprintf("node %s of job %d died", dead, task.JobID)
	return s.requeueTx(ctx, tx, task, telemetry.SpanRecover, deaths, Event{Kind: EventRecovered, Node: by, Detail: detail})
}

// RunningOn returns the jobs that River holds to be running under the node.
func (s *Store[TTx]) RunningOn(ctx context.Context, nodeID string) ([]Job, error) {
	jobs, err := s.driver.RunningOn(ctx, nodeID)
	if err != nil {
		return nil, wrap("sweep", "", err)
	}
	return jobs, nil
}

// RecoverLost gives a fresh job to the task of a job whose fetch the node never heard of:
// its reply was lost. This does not count as a death. It returns whether it did so: not
// while another transaction has the task locked, nor if the task no longer has the job.
// It then discards the job, unless the task still has it. by is the node's id.
func (s *Store[TTx]) RecoverLost(ctx context.Context, lost Job, by string) (bool, error) {
	done, err := s.giveFreshJob(ctx, lost, func(tx TTx, task *Locked) error {
		event := Event{Kind: EventRecovered, Node: by, Detail: fmt.Sprintf("the fetch of job %d was lost", lost.ID)}
		task.done.recovered = telemetry.Fetch
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

func (s *Store[TTx]) discard(ctx context.Context, left Job) error {
	return s.driver.InTx(ctx, func(tx TTx) error { return s.driver.DiscardJob(ctx, tx, left, s.now()) })
}

// giveFreshJob lets see give a task a fresh job whose job nobody runs. The job is
// looked at again under the task's lock: another node may have it by now. It returns
// whether it did; not while somebody else has the task locked.
func (s *Store[TTx]) giveFreshJob(ctx context.Context, dead Job, see func(tx TTx, task *Locked) error) (done bool, err error) {
	var task *Locked
	err = s.driver.InTx(ctx, func(tx TTx) (err error) {
		done = false
		if task, err = s.driver.Lock(ctx, tx, dead.TaskID, true); err != nil {
			return err
		}
		state, node, err := s.driver.JobState(ctx, tx, dead.ID, dead.TaskID)
		if err != nil {
			return err
		}
		if rivertype.JobState(state) != rivertype.JobStateRunning || node != dead.Node ||
			task.Status != mcptasks.StatusWorking || task.JobID != dead.ID {
			return nil
		}
		done = true
		return see(tx, task)
	})
	if errors.Is(err, ErrBusy) || errors.Is(err, mcptasks.ErrNotFound) {
		return false, nil
	}
	if err == nil && done {
		s.notifier.TaskChanged(dead.TaskID)
		s.tell(ctx, task, telemetry.Audited{})
	}
	return done && err == nil, err
}

// repairTx makes a locked task and its job agree, whoever made them differ: an
// operator with River's own tools, a lost row. It says whether they did not.
func (s *Store[TTx]) repairTx(ctx context.Context, tx TTx, task *Locked) (bool, error) {
	switch task.Status {
	case mcptasks.StatusInputRequired:
		questions, err := s.driver.Questions(ctx, tx, task.ID)
		if err != nil {
			return false, err
		}
		for _, question := range questions {
			if question.Open() {
				return false, nil
			}
		}
		return true, s.requeueTx(ctx, tx, task, telemetry.SpanRepair, task.Recoveries, Event{Kind: EventRepaired, Detail: "no question was open"})
	case mcptasks.StatusWorking:
		return s.repairWorkingTx(ctx, tx, task)
	default:
		return false, nil
	}
}

func (s *Store[TTx]) repairWorkingTx(ctx context.Context, tx TTx, task *Locked) (bool, error) {
	state, _, err := s.driver.JobState(ctx, tx, task.JobID, task.ID)
	if err != nil && !errors.Is(err, mcptasks.ErrNotFound) {
		return false, err
	}
	end := func(end Finish) (bool, error) {
		return true, s.endOnlyTx(ctx, tx, task, end)
	}
	switch rivertype.JobState(state) {
	case rivertype.JobStateCancelled:
		task.done.cancelled = telemetry.ByJob
		finish := cancelled(task.ID)
		finish.Event = Event{Kind: EventRepaired, Detail: fmt.Sprintf("job %d was cancelled", task.JobID)}
		return end(finish)
	case rivertype.JobStateDiscarded:
		return end(failed(task.ID, "The task was ended by the service.", Event{Kind: EventRepaired, Detail: fmt.Sprintf("job %d was discarded", task.JobID)}))
	case rivertype.JobStateCompleted, "": // it ran and left the task, or it is gone
	default:
		return false, nil
	}
	repairs, err := s.driver.CountEvents(ctx, tx, task.ID, EventRepaired)
	if err != nil {
		return false, err
	}
	if repairs >= MaxRepairs {
		return end(failed(task.ID, "The task could not be run.", Event{Kind: EventFailed, Detail: fmt.Sprintf("job %d is gone or completed; repaired %d times before", task.JobID, repairs)}))
	}
	detail := fmt.Sprintf("job %d is gone or completed", task.JobID)
	return true, s.requeueTx(ctx, tx, task, telemetry.SpanRepair, task.Recoveries, Event{Kind: EventRepaired, Detail: detail})
}
