package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

var errFault = errors.New("the connection broke")

// faulty is a driver whose methods do their work and then fail, as when the
// connection breaks before the commit. A nil function has no fault.
type faulty[TTx any] struct {
	driver.Driver[TTx]
	insert, park, answer, requeue, end, forget func() error
	orphans                                    func([]driver.Job) error
}

func after(err error, fault func() error) error {
	if err == nil && fault != nil {
		return fault()
	}
	return err
}

func (d *faulty[TTx]) InsertTx(ctx context.Context, tx TTx, tasks []*driver.Row) error {
	return after(d.Driver.InsertTx(ctx, tx, tasks), d.insert)
}

func (d *faulty[TTx]) Park(ctx context.Context, tx TTx, fence driver.Fence, questions []driver.Asked, detail string, now time.Time) (all, open int, held bool, err error) {
	all, open, held, err = d.Driver.Park(ctx, tx, fence, questions, detail, now)
	return all, open, held, after(err, d.park)
}

func (d *faulty[TTx]) Answer(ctx context.Context, tx TTx, id, key string, response json.RawMessage, now time.Time) error {
	return after(d.Driver.Answer(ctx, tx, id, key, response, now), d.answer)
}

func (d *faulty[TTx]) Requeue(ctx context.Context, tx TTx, id string, jobID int64, recoveries int, traceContext string, event driver.Event, now time.Time) error {
	return after(d.Driver.Requeue(ctx, tx, id, jobID, recoveries, traceContext, event, now), d.requeue)
}

func (d *faulty[TTx]) End(ctx context.Context, tx TTx, end driver.Finish, now time.Time, retention time.Duration) error {
	return after(d.Driver.End(ctx, tx, end, now, retention), d.end)
}

func (d *faulty[TTx]) Forget(ctx context.Context, nodeID string) error {
	return after(d.Driver.Forget(ctx, nodeID), d.forget)
}

func (d *faulty[TTx]) Orphans(ctx context.Context, lease time.Duration, limit int) ([]driver.Job, error) {
	jobs, err := d.Driver.Orphans(ctx, lease, limit)
	if err == nil && d.orphans != nil {
		err = d.orphans(jobs)
	}
	return jobs, err
}

// atomicTests break a write in its middle: nothing of it may be there afterwards,
// and nobody may be notified of it. What failed then succeeds.
func atomicTests[TTx any]() []test[TTx] {
	var tests []test[TTx]
	for name, tc := range map[string]struct {
		fault func(*faulty[TTx], func() error)
		begin func(*fixture[TTx]) *driver.Claimed
		write func(*fixture[TTx], *taskstore.Store[TTx], *driver.Claimed) error
	}{
		"create": {
			func(d *faulty[TTx], fault func() error) { d.insert = fault },
			(*fixture[TTx]).begin,
			func(f *fixture[TTx], s *taskstore.Store[TTx], _ *driver.Claimed) error {
				call := f.call() // with an answer, it is more than one statement
				call.Params.Responses = answers("a")
				_, err := s.Create(f.ctx, []taskstore.NewTask{call})
				return err
			},
		},
		"create with a key": {
			func(d *faulty[TTx], fault func() error) { d.requeue = fault },
			(*fixture[TTx]).begin,
			func(f *fixture[TTx], s *taskstore.Store[TTx], _ *driver.Claimed) error {
				_, err := s.Create(f.ctx, []taskstore.NewTask{f.keyed("k")})
				return err
			},
		},
		"park": {
			func(d *faulty[TTx], fault func() error) { d.park = fault },
			(*fixture[TTx]).begin,
			func(f *fixture[TTx], s *taskstore.Store[TTx], run *driver.Claimed) error {
				_, _, err := s.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": confirm}, within)
				return err
			},
		},
		"answer": {
			func(d *faulty[TTx], fault func() error) { d.answer = fault },
			func(f *fixture[TTx]) *driver.Claimed { return f.parked("a", "b") },
			func(f *fixture[TTx], s *taskstore.Store[TTx], run *driver.Claimed) error {
				return s.Answer(f.ctx, alice, run.TaskID, answers("a"))
			},
		},
		"last answer": {
			func(d *faulty[TTx], fault func() error) { d.requeue = fault },
			func(f *fixture[TTx]) *driver.Claimed { return f.parked("a") },
			func(f *fixture[TTx], s *taskstore.Store[TTx], run *driver.Claimed) error {
				return s.Answer(f.ctx, alice, run.TaskID, answers("a"))
			},
		},
		"question's deadline": {
			func(d *faulty[TTx], fault func() error) { d.requeue = fault },
			func(f *fixture[TTx]) *driver.Claimed {
				run := f.parked("a")
				f.clock.advance(within + time.Second)
				return run
			},
			func(f *fixture[TTx], s *taskstore.Store[TTx], _ *driver.Claimed) error { return s.Sweep(f.ctx, ttl) },
		},
		"cancel": {
			func(d *faulty[TTx], fault func() error) { d.end = fault },
			(*fixture[TTx]).begin,
			func(f *fixture[TTx], s *taskstore.Store[TTx], run *driver.Claimed) error {
				_, err := s.Cancel(f.ctx, alice, run.TaskID)
				return err
			},
		},
		"reap": {
			func(d *faulty[TTx], fault func() error) { d.requeue = fault },
			func(f *fixture[TTx]) *driver.Claimed {
				run := f.begin()
				f.startJob(run.JobID, "n")
				return run
			},
			func(f *fixture[TTx], s *taskstore.Store[TTx], _ *driver.Claimed) error {
				_, err := s.Reap(f.ctx, "reaper", lease, always)
				return err
			},
		},
		"repair": {
			func(d *faulty[TTx], fault func() error) { d.requeue = fault },
			func(f *fixture[TTx]) *driver.Claimed {
				run := f.begin()
				f.deleteJob(run.JobID)
				return run
			},
			func(f *fixture[TTx], s *taskstore.Store[TTx], _ *driver.Claimed) error { return s.Sweep(f.ctx, 0) },
		},
	} {
		tests = append(tests, test[TTx]{name, func(f *fixture[TTx]) {
			run := tc.begin(f)
			for _, fault := range []error{errFault, nil} {
				broken := &faulty[TTx]{Driver: f.driver}
				tc.fault(broken, func() error { return fault })
				notifier := newNotifier()
				s := f.storeWith(broken, config.Config{}, notifier)
				write := func() { f.wantError(tc.write(f, s, run), fault) }
				if fault == nil {
					write()
					sent := sentBy(notifier)
					equal(f.T, "how much is announced", len(sent.queues)+len(sent.tasks), 1)
					continue
				}
				f.sameAfter(func() string { return f.snapshot(run.TaskID) + f.value("SELECT count(*) FROM {s}mcp_task") }, name, write)
				sent := sentBy(notifier)
				equal(f.T, "how much is announced", len(sent.queues)+len(sent.tasks), 0)
			}
		}})
	}
	return tests
}
