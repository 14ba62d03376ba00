package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// This file says which reads and writes are joined, and how. A flush that writes is one transaction, and
// takes the tasks that nobody else has locked: who has one locked, an operator's or a
// program's open transaction say, keeps this one task waiting and neither the others
// nor a connection.

// A database with one writer at a time has one flush of a kind in flight. With more,
// the second gathers its calls while the first one's commit is on its way to the disk.
func writers(oneWriter bool) int {
	if oneWriter {
		return 1
	}
	return 2
}

// readers is how many polls are read by a query each before more of them share one:
// a poll by itself is quicker, many together are cheaper.
const readers = 3

func (s *Store[TTx]) join(oneWriter bool) {
	writers := writers(oneWriter)
	batch := func(op string) func(int) {
		return func(calls int) { s.metrics.Batch(context.Background(), op, calls) }
	}
	s.gets = joiner[Name, *mcptasks.Task]{
		flights: readers,
		flush:   s.getAll,
		taken:   batch(telemetry.OpGet),
		subject: func(name Name) string { return name.ID },
		size:    func(Name) int { return 0 },
	}
	s.creates = joiner[*Row, struct{}]{
		flights: writers,
		writes:  true,
		flush:   s.insertAll,
		taken:   batch(telemetry.OpCreate),
		subject: func(row *Row) string { return row.ID },
		size:    func(row *Row) int { return len(row.Arguments) + len(row.RequestMeta) },
	}
	s.claims = joiner[claim, *Claimed]{
		flights: writers,
		writes:  true,
		flush:   s.claimAll,
		taken:   batch(telemetry.OpClaim),
		subject: func(c claim) string { return c.TaskID },
		size:    func(claim) int { return 0 },
	}
	s.reports = fenced(writers, batch(telemetry.OpReport), func(r Report) (Fence, int) { return r.Fence, len(r.Message) }, s.driver.Held, s.now,
		func(ctx context.Context, reports []Report, now time.Time) ([]string, error) {
			return s.driver.Report(ctx, reports, now)
		})
	s.retries = fenced(writers, batch(telemetry.OpRetry), func(r Retry) (Fence, int) { return r.Fence, len(r.Event.Detail) }, s.driver.Held, s.now,
		func(ctx context.Context, retries []Retry, now time.Time) ([]string, error) {
			return s.driver.Retry(ctx, retries, now)
		})
	s.finishes = fenced(writers, batch(telemetry.OpFinish), func(f Finish) (Fence, int) { return f.Fence, len(f.Outcome) }, s.driver.Held, s.now,
		func(ctx context.Context, ends []Finish, now time.Time) ([]string, error) {
			ids, jobs, err := s.driver.Finish(ctx, ends, now, s.config.MinRetention)
			s.completed.add(jobs)
			return ids, err
		})
}

// getAll is the flush of polls.
func (s *Store[TTx]) getAll(ctx context.Context, names []Name) ([]Result[*mcptasks.Task], error) {
	results := make([]Result[*mcptasks.Task], len(names))
	if len(names) == 1 {
		task, err := s.driver.Get(ctx, names[0].Owner, names[0].ID, s.now())
		results[0].Out = task
		return results, err
	}
	tasks, err := s.driver.GetMany(ctx, names, s.now())
	byName := make(map[Name]*mcptasks.Task, len(tasks))
	for _, task := range tasks {
		byName[Name{task.Owner, task.ID}] = task
	}
	for i, name := range names {
		if results[i].Out = byName[name]; results[i].Out == nil {
			results[i].Err = mcptasks.ErrNotFound
		}
	}
	return results, err
}

// A claim is a run that is to begin, on a node that has these tools.
type claim struct {
	Fence
	node  string
	tools []string
}

// claimAll is the flush of claims.
func (s *Store[TTx]) claimAll(ctx context.Context, claims []claim) ([]Result[*Claimed], error) {
	results := make([]Result[*Claimed], len(claims))
	for _, group := range byNode(claims) {
		fences := make([]Fence, len(group))
		for i, n := range group {
			fences[i] = claims[n].Fence
		}
		claimed, err := s.driver.Claim(ctx, fences, claims[group[0]].tools, claims[group[0]].node, s.now())
		if err != nil {
			return nil, err
		}
		byTask := make(map[string]*Claimed, len(claimed))
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
		return ErrBusy
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

// fenced joins writes of runs. One whose task the driver did not change has lost its
// task, or is ErrBusy if it still holds it: somebody else had it locked.
func fenced[In any](
	flights int,
	taken func(calls int),
	of func(In) (fence Fence, size int),
	heldBy func(context.Context, []Fence) (tokens []string, err error),
	now func() time.Time,
	write func(ctx context.Context, calls []In, now time.Time) (ids []string, err error),
) joiner[In, bool] {
	fence := func(call In) Fence { f, _ := of(call); return f }
	return joiner[In, bool]{
		flights: flights,
		writes:  true,
		taken:   taken,
		subject: func(call In) string { return fence(call).TaskID },
		size:    func(call In) int { _, size := of(call); return size },
		flush: func(ctx context.Context, calls []In) ([]Result[bool], error) {
			ids, err := write(ctx, calls, now())
			if err != nil {
				return nil, err
			}
			changed := make(map[string]bool, len(ids))
			for _, id := range ids {
				changed[id] = true
			}
			results := make([]Result[bool], len(calls))
			var missed []Fence
			for i, call := range calls {
				results[i].Out = changed[fence(call).TaskID]
				if !results[i].Out {
					missed = append(missed, fence(call))
				}
			}
			if len(missed) == 0 {
				return results, nil
			}
			busy, err := heldBy(ctx, missed)
			for i, call := range calls {
				switch {
				case results[i].Out:
				case err != nil: // the others' writes are done
					results[i].Err = err
				case slices.Contains(busy, fence(call).RunToken):
					results[i].Err = ErrBusy
				}
			}
			return results, nil
		},
	}
}
