package taskstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/batch"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// This file says which reads and writes run in batches. A batch that writes is one
// transaction. It skips the tasks that another transaction has locked, an operator's or
// a program's for example: only the calls for these tasks wait, in no connection.

// A database with one writer at a time has one batch of a kind in flight. With more
// writers, the second batch gathers its calls while the commit of the first one is on
// its way to the disk.
func (s *Store[TTx]) maxWrites() int {
	if s.exclusive {
		return 1
	}
	return 2
}

// maxReads is how many batches of polls are in flight at once. A poll by itself has less
// latency, a batch of polls costs less.
const maxReads = 3

func (s *Store[TTx]) makeBatchers() {
	s.gets = batch.New(batch.Options[driver.Name, *mcptasks.Task]{
		Run:         s.getAll,
		Key:         func(name driver.Name) string { return name.ID },
		Size:        func(driver.Name) int { return 0 },
		MaxInFlight: maxReads,
		Rejected:    isRejection,
		OnBatch:     s.countBatch(telemetry.OpGet),
	})
	writes := s.maxWrites()
	s.creates = batch.New(batch.Options[*driver.Row, struct{}]{
		Run:         s.insertAll,
		Key:         func(row *driver.Row) string { return row.ID },
		Size:        func(row *driver.Row) int { return len(row.Arguments) + len(row.RequestMeta) },
		MaxInFlight: writes,
		Locked:      isBusy,
		Rejected:    isRejection,
		OnBatch:     s.countBatch(telemetry.OpCreate),
		Writes:      true,
	})
	s.claims = batch.New(batch.Options[claim, *driver.Claimed]{
		Run:         s.claimAll,
		Key:         func(c claim) string { return c.TaskID },
		Size:        func(claim) int { return 0 },
		MaxInFlight: writes,
		Locked:      isBusy,
		Rejected:    isRejection,
		OnBatch:     s.countBatch(telemetry.OpClaim),
		Writes:      true,
	})
	s.reports = newFenced(s, writes, telemetry.OpProgress, s.driver.Report,
		func(r driver.Report) (driver.Fence, int) { return r.Fence, len(r.Message) })
	s.failures = newFenced(s, writes, telemetry.OpFailAttempt, s.driver.FailAttempts,
		func(f driver.FailedAttempt) (driver.Fence, int) { return f.Fence, len(f.Event.Detail) })
	s.finishes = newFenced(s, writes, telemetry.OpFinish, s.finishAll,
		func(f driver.Finish) (driver.Fence, int) { return f.Fence, len(f.Outcome) })
}

func (s *Store[TTx]) countBatch(op string) func(calls int) {
	return func(calls int) { s.metrics.Batch(context.Background(), op, calls) }
}

func isBusy(err error) bool { return errors.Is(err, driver.ErrBusy) }

// isRejection reports whether the database has rejected a statement because of a value
// in it, so that nothing was written. After any other error, a lost connection for
// example, the batch may have been written: a second try would find that its fences no
// longer hold, and take that for another run's doing.
func isRejection(err error) bool {
	if errors.Is(err, mcptasks.ErrInvalid) || errors.Is(err, mcptasks.ErrConflict) {
		return true
	}
	var coded interface{ SQLState() string }
	if !errors.As(err, &coded) || len(coded.SQLState()) != 5 {
		return false
	}
	// https://www.postgresql.org/docs/current/errcodes-appendix.html
	switch coded.SQLState()[:2] {
	case "08", // the connection
		"40",             // a rollback because of other transactions
		"53", "57", "58", // the server: resources, an operator, the system
		"55": // a lock
		return false
	default:
		return true
	}
}

// getAll runs a batch of polls.
func (s *Store[TTx]) getAll(ctx context.Context, names []driver.Name) ([]batch.Result[*mcptasks.Task], error) {
	results := make([]batch.Result[*mcptasks.Task], len(names))
	if len(names) == 1 {
		task, err := s.driver.Get(ctx, names[0].Owner, names[0].ID, s.now())
		results[0].Out = task
		return results, err
	}
	tasks, err := s.driver.GetMany(ctx, names, s.now())
	byName := make(map[driver.Name]*mcptasks.Task, len(tasks))
	for _, task := range tasks {
		byName[driver.Name{Owner: task.Owner, ID: task.ID}] = task
	}
	for i, name := range names {
		if results[i].Out = byName[name]; results[i].Out == nil {
			results[i].Err = mcptasks.ErrNotFound
		}
	}
	return results, err
}

// A claim asks for the task of a job to be run on a node that has these tools.
type claim struct {
	driver.Fence
	node  string
	tools []string
}

// claimAll runs a batch of claims.
func (s *Store[TTx]) claimAll(ctx context.Context, claims []claim) ([]batch.Result[*driver.Claimed], error) {
	results := make([]batch.Result[*driver.Claimed], len(claims))
	for _, group := range byNode(claims) {
		fences := make([]driver.Fence, len(group))
		for i, n := range group {
			fences[i] = claims[n].Fence
		}
		claimed, err := s.driver.Claim(ctx, fences, claims[group[0]].tools, claims[group[0]].node, s.now())
		if err != nil {
			return nil, err
		}
		byTask := make(map[string]*driver.Claimed, len(claimed))
		for _, c := range claimed {
			byTask[c.TaskID] = c
		}
		for _, n := range group {
			if c := byTask[claims[n].TaskID]; c != nil {
				results[n].Out = c
			} else {
				results[n].Err = s.whyNotClaimed(ctx, claims[n])
			}
		}
	}
	return results, nil
}

// whyNotClaimed returns nil if the task is not the job's to run.
func (s *Store[TTx]) whyNotClaimed(ctx context.Context, c claim) error {
	switch tool, err := s.driver.ToolOf(ctx, c.TaskID, c.JobID); {
	case errors.Is(err, mcptasks.ErrNotFound):
		return nil
	case err != nil:
		return err
	case slices.Contains(c.tools, tool):
		return driver.ErrBusy
	default:
		return fmt.Errorf("%w: %q", mcptasks.ErrUnknownTool, tool)
	}
}

// byNode groups the claims, by their index. A process is one node, but for tests.
func byNode(claims []claim) [][]int {
	var groups [][]int
next:
	for n, c := range claims {
		for g, group := range groups {
			if first := claims[group[0]]; first.node == c.node && slices.Equal(first.tools, c.tools) {
				groups[g] = append(group, n)
				continue next
			}
		}
		groups = append(groups, []int{n})
	}
	return groups
}

// finishAll runs a batch of ends of runs.
func (s *Store[TTx]) finishAll(ctx context.Context, finishes []driver.Finish, now time.Time) (ids []string, err error) {
	ids, jobs, err := s.driver.Finish(ctx, finishes, now, s.config.MinRetention)
	s.completed.Add(jobs)
	return ids, err
}
