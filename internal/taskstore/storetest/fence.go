package storetest

import (
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// writes are what a run may do to its task. Each reports whether it held it.
func (f *fixture[TTx]) writes() map[string]func(driver.Fence) (bool, error) {
	return map[string]func(driver.Fence) (bool, error){
		"Report": func(fence driver.Fence) (bool, error) {
			return f.store.Report(f.ctx, fence, driver.Progress{Done: 3, Total: 4, Message: "late"})
		},
		"SaveStep": func(fence driver.Fence) (bool, error) {
			_, held, err := f.store.SaveStep(f.ctx, driver.Step{Fence: fence, Key: "late", Result: json.RawMessage(`1`)})
			return held, err
		},
		"SaveStep of a known key": func(fence driver.Fence) (bool, error) {
			_, held, err := f.store.SaveStep(f.ctx, driver.Step{Fence: fence, Key: "early", Result: json.RawMessage(`1`)})
			return held, err
		},
		"Park": func(fence driver.Fence) (bool, error) {
			_, held, err := f.store.Park(f.ctx, fence, map[string]mcptasks.Question{"late": confirm}, within)
			return held, err
		},
		"Park of no question": func(fence driver.Fence) (bool, error) {
			_, held, err := f.store.Park(f.ctx, fence, nil, within)
			return held, err
		},
		"Retry": func(fence driver.Fence) (bool, error) {
			return f.store.FailAttempt(f.ctx, driver.FailedAttempt{Fence: fence, Message: "late", Event: driver.Event{Kind: driver.EventError}})
		},
		"Finish": func(fence driver.Fence) (bool, error) {
			return f.store.Finish(f.ctx, fence, f.tool.Name, result(`{"late":1}`), driver.Event{Kind: driver.EventError})
		},
		"Finish, failed": func(fence driver.Fence) (bool, error) {
			return f.store.Finish(f.ctx, fence, f.tool.Name, failure.Outcome("late"), driver.Event{Kind: driver.EventFailed})
		},
	}
}

// refused fails the test if any write under the fence is accepted or changes
// anything.
func (f *fixture[TTx]) refused(fence driver.Fence) {
	f.Helper()
	for name, write := range f.writes() {
		f.unchanged(fence.TaskID, name, func() {
			if held, err := write(fence); held || err != nil {
				f.Errorf("%s returned %v, %v, want that the run has lost its task", name, held, err)
			}
		})
	}
	held, err := f.store.Held(f.ctx, []driver.Fence{fence})
	if len(held) > 0 || err != nil {
		f.Errorf("Held returned %v, %v, want that the run has lost its task", held, err)
	}
}

func fenceTests[TTx any]() []test[TTx] {
	// begin is a run that has already reported and recorded a step.
	begin := func(f *fixture[TTx]) *driver.Claimed {
		run := f.begin()
		held, err := f.store.Report(f.ctx, run.Fence, driver.Progress{Done: 1, Total: 2})
		f.must(err)
		equal(f.T, "held", held, true)
		f.saveStep(run.Fence, "early", `0`)
		return run
	}
	return []test[TTx]{
		{"holds", func(f *fixture[TTx]) {
			for name, write := range f.writes() {
				if held, err := write(begin(f).Fence); !held || err != nil {
					f.Errorf("%s returned %v, %v, want that the run holds its task", name, held, err)
				}
			}
		}},
		{"Held", func(f *fixture[TTx]) {
			stale, ended, one, two := f.begin(), f.begin(), f.begin(), f.begin()
			f.claim(stale.TaskID)
			f.finish(ended.Fence, result(`{}`))
			held, err := f.store.Held(f.ctx, []driver.Fence{stale.Fence, one.Fence, ended.Fence, two.Fence})
			f.must(err)
			slices.Sort(held)
			want := []string{one.RunToken, two.RunToken}
			slices.Sort(want)
			if !slices.Equal(held, want) {
				f.Errorf("%q are held, want %q", held, want)
			}
			if held, err := f.store.Held(f.ctx, nil); len(held) != 0 || err != nil {
				f.Errorf("of no runs %q are held, %v", held, err)
			}
		}},
		{"another run's", func(f *fixture[TTx]) {
			run := begin(f)
			f.claim(run.TaskID)
			f.refused(run.Fence)
		}},
		{"another job's", func(f *fixture[TTx]) {
			run, other := begin(f), f.begin()
			fence := run.Fence
			fence.JobID = other.JobID
			f.refused(fence)
		}},
		{"another task's", func(f *fixture[TTx]) {
			run, other := begin(f), f.begin()
			fence := other.Fence
			fence.TaskID = run.TaskID
			f.refused(fence)
			f.refused(driver.Fence{TaskID: taskstore.NewID(f.clock.now()), JobID: run.JobID, RunToken: run.RunToken})
		}},
		{"nobody's", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			f.refused(driver.Fence{TaskID: id, JobID: f.jobOf(id)})
			f.refused(driver.Fence{TaskID: id, JobID: f.jobOf(id), RunToken: uuid.NewString()})
			run := begin(f)
			f.refused(driver.Fence{TaskID: run.TaskID, JobID: run.JobID})
		}},
		{"of a retried run", func(f *fixture[TTx]) {
			run := begin(f)
			f.retry(run.Fence, "once")
			f.refused(run.Fence)
		}},
		{"of a completed task", func(f *fixture[TTx]) {
			run := begin(f)
			f.finish(run.Fence, result(`{}`))
			f.refused(run.Fence)
		}},
		{"of a failed task", func(f *fixture[TTx]) {
			run := begin(f)
			f.finish(run.Fence, failure.Outcome("no"))
			f.refused(run.Fence)
		}},
		{"of a cancelled task", func(f *fixture[TTx]) {
			run := begin(f)
			f.cancel(run.TaskID)
			f.refused(run.Fence)
		}},
		{"of an ended task that kept its token", func(f *fixture[TTx]) {
			// The token is not all that keeps an ended task as it is.
			for _, status := range mcptasks.Statuses()[2:] {
				run := begin(f)
				f.finish(run.Fence, result(`{}`))
				f.query("UPDATE {s}mcp_task SET status = '%s', run_token = '%s' WHERE id = '%s'", status, run.RunToken, run.TaskID)
				f.refused(run.Fence)
			}
		}},
		{"each for itself when joined", func(f *fixture[TTx]) {
			stale, current := f.begin(), f.begin()
			f.claim(stale.TaskID)
			fences := []driver.Fence{stale.Fence, current.Fence}
			for name, write := range map[string]func() ([]string, error){
				"Report": func() ([]string, error) {
					return f.driver.Report(f.ctx, each(fences, func(fence driver.Fence) driver.Report {
						return driver.Report{Fence: fence, Message: "late"}
					}), f.clock.now())
				},
				"Retry": func() ([]string, error) {
					defer func() { fences[1] = f.claim(current.TaskID).Fence }()
					return f.driver.FailAttempts(f.ctx, each(fences, func(fence driver.Fence) driver.FailedAttempt {
						return driver.FailedAttempt{Fence: fence, Event: driver.Event{Kind: driver.EventError}}
					}), f.clock.now())
				},
			} {
				f.joined(name, stale.TaskID, current.TaskID, write)
			}
			f.joined("Finish", stale.TaskID, current.TaskID, func() ([]string, error) {
				held, _, err := f.driver.Finish(f.ctx, each(fences, func(fence driver.Fence) driver.Finish {
					return driver.Finish{Fence: fence, Status: mcptasks.StatusCompleted, Outcome: json.RawMessage(`{}`)}
				}), f.clock.now(), retention)
				return held, err
			})
		}},
	}
}

// joined fails the test unless a write of both tasks is accepted for current alone.
func (f *fixture[TTx]) joined(name, stale, current string, write func() ([]string, error)) {
	f.Helper()
	f.unchanged(stale, name, func() {
		held, err := write()
		if err != nil || !slices.Equal(held, []string{current}) {
			f.Errorf("%s held %v, %v, want %s", name, held, err, current)
		}
	})
}

func each[T any](fences []driver.Fence, item func(driver.Fence) T) []T {
	items := make([]T, len(fences))
	for i, fence := range fences {
		items[i] = item(fence)
	}
	return items
}
