package storetest

import (
	"errors"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func recoverTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"unfinished runs", exclusively(func(f *fixture[TTx]) {
			waiting, gone := f.create(1)[0].ID, f.begin()
			snoozed := f.begin()
			f.retry(snoozed.Fence, "once")
			f.must(f.setJob(snoozed.JobID, rivertype.JobStateScheduled, "n"))
			f.deleteJob(gone.JobID) // is the sweep's
			finished := f.begin()
			f.startJob(finished.JobID, "n")
			f.finish(finished.Fence, result(`{}`))
			running, unclaimed := f.begin(), f.create(1)[0].ID
			f.startJob(running.JobID, "n")
			fetched := f.jobOf(unclaimed)
			f.startJob(fetched, "n")
			f.beat("n") // a moment ago, and yet dead
			f.beat("m")

			read := func() string {
				return f.rows(waiting) + f.rows(gone.TaskID) + f.rows(snoozed.TaskID) + f.rows(finished.TaskID)
			}
			var end func() error
			f.sameAfter(read, "BeginWork", func() {
				var err error
				end, err = f.store.BeginWork(f.ctx)
				f.must(err)
			})
			f.nodes()
			f.fresh(running.TaskID, running.JobID)
			f.fresh(unclaimed, fetched)
			f.refused(running.Fence)
			equal(f.T, "the recoveries", f.column(running.TaskID, "recoveries"), "1")
			equal(f.T, "the recoveries of the unclaimed one", f.column(unclaimed, "recoveries"), "0")
			equal(f.T, "the number of running jobs", f.value("SELECT count(*) FROM {s}river_job WHERE state = 'running'"), "0")
			f.must(end())
		})},
		{"where other nodes may be alive", func(f *fixture[TTx]) {
			if f.exclusive() {
				return
			}
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.beat("m")
			f.unchanged(run.TaskID, "BeginWork", func() {
				for range 2 {
					_, err := f.store.BeginWork(f.ctx)
					f.must(err)
				}
			})
			f.nodes("m")
		}},
		{"one at a time", exclusively(func(f *fixture[TTx]) {
			end, err := f.store.BeginWork(f.ctx)
			f.must(err)
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.beat("n")
			for _, driver := range []driver.Driver[TTx]{f.driver, f.again()} {
				f.unchanged(run.TaskID, "a second BeginWork", func() {
					_, err = f.storeOn(driver, config.Config{}).BeginWork(f.ctx)
					var ours *mcptasks.Error
					if !errors.As(err, &ours) || ours.Hint == "" {
						f.Errorf("the error is %v, want one that says what to do", err)
					}
				})
				f.nodes("n")
			}
			// Who does not work may still ask and cancel.
			f.cancel(f.create(1)[0].ID)
			f.must(end())
			end, err = f.store.BeginWork(f.ctx)
			f.must(err)
			f.must(end())
		})},
		{"fails", exclusively(func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			for method, broken := range map[string]*faulty[TTx]{
				"Forget":  {forget: func() error { return errFault }},
				"Orphans": {orphans: func([]driver.Job) error { return errFault }},
			} {
				broken.Driver = f.driver
				_, err := f.storeOn(exclusiveFaulty[TTx]{broken, f.driver.(driver.Exclusive)}, config.Config{}).BeginWork(f.ctx)
				if !errors.Is(err, errFault) {
					f.Errorf("when %s fails, the error is %v", method, err)
				}
			}
			end, err := f.store.BeginWork(f.ctx) // nobody has kept the lock
			f.must(err)
			f.must(end())
		})},
	}
}

// exclusively is a test of the databases that one process works at a time.
func exclusively[TTx any](run func(*fixture[TTx])) func(*fixture[TTx]) {
	return func(f *fixture[TTx]) {
		if f.exclusive() {
			run(f)
		}
	}
}

type exclusiveFaulty[TTx any] struct {
	*faulty[TTx]
	driver.Exclusive
}
