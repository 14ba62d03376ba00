package storetest

import (
	"reflect"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func cancelTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"waiting", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			job := f.jobOf(id)
			f.clock.advance(time.Minute)
			task, err := f.store.Cancel(f.ctx, alice, id)
			f.must(err)
			want := &mcptasks.Task{
				ID: id, Owner: alice, Tool: "report", Status: mcptasks.StatusCancelled,
				TTL: ttl, PollInterval: f.tool.Options.PollInterval,
				CreatedAt: f.clock.now().Add(-time.Minute), UpdatedAt: f.clock.now(), FinishedAt: f.clock.now(),
			}
			want.ExpiresAt = want.CreatedAt.Add(ttl)
			if !reflect.DeepEqual(task, want) {
				f.Errorf("Cancel returned %+v, want %+v", task, want)
			}
			if got := f.get(id); !reflect.DeepEqual(got, want) {
				f.Errorf("Get returned %+v, want %+v", got, want)
			}
			equal(f.T, "the job's state", f.job(job).State, rivertype.JobStateCancelled)
			equal(f.T, "job_id", f.column(id, "job_id"), "<nil>")
		}},
		{"running", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID)
			f.report(run, driver.Progress{Message: "reading"})
			f.cancel(run.TaskID)
			f.refused(run.Fence)
			equal(f.T, "the message", f.get(run.TaskID).StatusMessage, "")
			// River ends a running job itself; it is told to.
			job := f.job(run.JobID)
			equal(f.T, "the job's state", job.State, rivertype.JobStateRunning)
			if !containsKey(f.T, job.Metadata, "cancel_attempted_at") {
				f.Errorf("the job's metadata is %s, want a cancel in it", job.Metadata)
			}
		}},
		{"input_required", func(f *fixture[TTx]) {
			run := f.begin()
			f.park(run, "a")
			f.cancel(run.TaskID)
			equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusCancelled)
			equal(f.T, "the former job's state", f.job(run.JobID).State, rivertype.JobStateAvailable)
		}},
		{"after its TTL", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			f.clock.advance(2 * ttl)
			task, err := f.store.Cancel(f.ctx, alice, id)
			f.must(err)
			equal(f.T, "the expiry", task.ExpiresAt, f.clock.now().Add(retention))
			equal(f.T, "the TTL", task.TTL, 2*ttl+retention)
		}},
		{"its job is gone", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			f.deleteJob(f.jobOf(id))
			f.cancel(id)
			equal(f.T, "the status", f.get(id).Status, mcptasks.StatusCancelled)
		}},
		{"ended", func(f *fixture[TTx]) {
			ends := map[string]func(*driver.Claimed){
				"completed": func(run *driver.Claimed) { f.finish(run.Fence, result(`{"a":1}`)) },
				"failed":    func(run *driver.Claimed) { f.finish(run.Fence, failure.Outcome("no")) },
				"cancelled": func(run *driver.Claimed) { f.cancel(run.TaskID) },
			}
			for name, end := range ends {
				run := f.begin()
				end(run)
				want := f.get(run.TaskID)
				f.unchanged(run.TaskID, "a cancel of a "+name+" task", func() {
					task, err := f.store.Cancel(f.ctx, alice, run.TaskID)
					f.wantError(err, mcptasks.ErrTerminal)
					if !reflect.DeepEqual(task, want) {
						f.Errorf("Cancel returned %+v, want the task as it was, %+v", task, want)
					}
					err = f.driver.InTx(f.ctx, func(tx TTx) error { return f.store.CancelTx(f.ctx, tx, alice, run.TaskID) })
					f.wantError(err, mcptasks.ErrTerminal)
				})
			}
		}},
		{"in a transaction", func(f *fixture[TTx]) {
			run := f.begin()
			f.unchanged(run.TaskID, "a cancel that was rolled back", func() {
				f.rolledBack(func(tx TTx) error { return f.store.CancelTx(f.ctx, tx, alice, run.TaskID) })
			})
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateAvailable)

			f.must(f.driver.InTx(f.ctx, func(tx TTx) error { return f.store.CancelTx(f.ctx, tx, alice, run.TaskID) }))
			equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusCancelled)
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateCancelled)
		}},
		{"another owner's", func(f *fixture[TTx]) {
			run := f.begin()
			f.unchanged(run.TaskID, "another owner's cancel", func() {
				_, err := f.store.Cancel(f.ctx, bob, run.TaskID)
				f.wantError(err, mcptasks.ErrNotFound)
			})
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateAvailable)
		}},
	}
}
