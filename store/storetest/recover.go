package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

func recoverTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"unfinished runs", func(f *fixture[TTx]) {
			waiting := f.create(1)[0].ID
			snoozed := f.begin()
			f.retry(snoozed.Fence, "once")
			f.query("UPDATE {s}river_job SET state = 'scheduled' WHERE id = %d", snoozed.JobID)
			if _, ok := any(f.driver).(store.Exclusive[TTx]); !ok {
				notExclusive(f)
				return
			}

			dead := map[string]*store.Claimed{"running": f.begin(), "job ended": f.begin(), "job gone": f.begin(), "not claimed": {}}
			f.startJob(dead["running"].JobID)
			f.query("UPDATE {s}river_job SET state = 'completed', finalized_at = created_at WHERE id = %d", dead["job ended"].JobID)
			f.deleteJob(dead["job gone"].JobID)
			unclaimed := f.create(1)[0].ID
			dead["not claimed"].TaskID, dead["not claimed"].JobID = unclaimed, f.jobOf(unclaimed)
			f.startJob(f.jobOf(unclaimed))
			finished := f.begin()
			f.startJob(finished.JobID)
			f.finish(finished.Fence, result(`{}`))

			kept := f.snapshot(waiting) + f.snapshot(snoozed.TaskID) + f.snapshot(finished.TaskID)
			f.clock.advance(time.Minute)
			restarted := f.clock.now()
			end, err := f.store.BeginWork(f.ctx)
			f.must(err)
			if after := f.snapshot(waiting) + f.snapshot(snoozed.TaskID) + f.snapshot(finished.TaskID); after != kept {
				f.Errorf("tasks that were not cut off have changed:\n%s\n%s", kept, after)
			}

			for name, run := range dead {
				equal(f.T, name+": the status", f.get(run.TaskID).Status, mcptasks.StatusWorking)
				equal(f.T, name+": the token", f.column(run.TaskID, "run_token"), "<nil>")
				equal(f.T, name+": the time of change", f.get(run.TaskID).UpdatedAt, restarted)
				job := f.job(f.jobOf(run.TaskID))
				if job == nil || !strings.Contains(string(job.EncodedArgs), run.TaskID) {
					f.Fatalf("%s: the task has no job", name)
				}
				equal(f.T, name+": the job's state", job.State, rivertype.JobStateAvailable)
				equal(f.T, name+": the job's queue", job.Queue, "reports")
				equal(f.T, name+": the job's priority", job.Priority, 2)
				if run.RunToken != "" {
					f.refused(run.Fence)
				}
				recoveries := "1"
				if name == "not claimed" { // nothing of ours ran
					recoveries = "0"
				}
				equal(f.T, name+": the recoveries", f.column(run.TaskID, "recoveries"), recoveries)
				f.claim(run.TaskID)
			}
			for _, id := range []int64{dead["running"].JobID, dead["not claimed"].JobID, finished.JobID} {
				job := f.job(id)
				equal(f.T, "the old job's state", job.State, rivertype.JobStateDiscarded)
				if job.FinalizedAt == nil || job.FinalizedAt.Sub(restarted).Abs() > time.Millisecond {
					f.Errorf("the old job was finalized at %v, want %v", job.FinalizedAt, restarted)
				}
			}
			f.must(end())
		}},
		{"another task has the job's id", exclusively(func(f *fixture[TTx]) {
			run := f.begin()
			f.deleteJob(run.JobID)
			other := f.create(1)[0].ID
			f.query("UPDATE {s}mcp_task SET job_id = %d WHERE id = '%s'", f.jobOf(other), run.TaskID)
			end, err := f.store.BeginWork(f.ctx)
			f.must(err)
			if f.jobOf(run.TaskID) == f.jobOf(other) {
				f.Error("two tasks have one job")
			}
			f.claim(run.TaskID)
			f.claim(other)
			f.must(end())
		})},
		{"over the limit", exclusively(func(f *fixture[TTx]) {
			const limit = 2
			f.store = f.newStore(&store.Config{MaxRecoveries: limit})
			poison, other := f.create(1)[0].ID, f.create(1)[0].ID
			for range limit {
				f.die(poison)
				equal(f.T, "the status", f.get(poison).Status, mcptasks.StatusWorking)
			}
			f.die(poison)
			task := f.get(poison)
			equal(f.T, "the status", task.Status, mcptasks.StatusFailed)
			if task.Outcome == nil || task.Outcome.Error == nil || !strings.Contains(task.Outcome.Error.Message, "3 times") {
				f.Errorf("the outcome is %+v, want an error that says how often", task.Outcome)
			}
			if events := f.events(poison); len(events) == 0 || !strings.HasPrefix(events[len(events)-1], store.EventFailed) {
				f.Errorf("the timeline is %q, want the failure in the end", events)
			}
			equal(f.T, "the other's status", f.get(other).Status, mcptasks.StatusWorking)
			equal(f.T, "the number of running jobs", f.value("SELECT count(*) FROM {s}river_job WHERE state = 'running'"), "0")
		})},
		{"a step shows progress", exclusively(func(f *fixture[TTx]) {
			const limit = 1
			f.store = f.newStore(&store.Config{MaxRecoveries: limit})
			id := f.create(1)[0].ID
			for _, key := range []string{"a", "b", "c"} {
				f.die(id)
				equal(f.T, "the recoveries", f.column(id, "recoveries"), "1")
				f.saveStep(f.claim(id).Fence, key, `1`)
				equal(f.T, "the recoveries after a step", f.column(id, "recoveries"), "0")
			}
			f.die(id)
			equal(f.T, "the status", f.get(id).Status, mcptasks.StatusWorking)
			f.die(id)
			equal(f.T, "the status in the end", f.get(id).Status, mcptasks.StatusFailed)
		})},
		{"one at a time", exclusively(func(f *fixture[TTx]) {
			end, err := f.store.BeginWork(f.ctx)
			f.must(err)
			_, err = f.newStore(&store.Config{}).BeginWork(f.ctx)
			var ours *mcptasks.Error
			if !errors.As(err, &ours) || ours.Hint == "" {
				f.Errorf("the error is %v, want one that says what to do", err)
			}
			// Who does not work may still ask and cancel.
			f.cancel(f.create(1)[0].ID)
			f.must(end())
			end, err = f.store.BeginWork(f.ctx)
			f.must(err)
			f.must(end())
		})},
	}
}

// exclusively is a test of the databases that one process works at a time.
func exclusively[TTx any](run func(*fixture[TTx])) func(*fixture[TTx]) {
	return func(f *fixture[TTx]) {
		if _, ok := any(f.driver).(store.Exclusive[TTx]); ok {
			run(f)
		}
	}
}

// notExclusive is what BeginWork does where other nodes may be alive: nothing.
func notExclusive[TTx any](f *fixture[TTx]) {
	run := f.begin()
	f.startJob(run.JobID)
	f.unchanged(run.TaskID, "BeginWork", func() {
		for range 2 {
			_, err := f.store.BeginWork(f.ctx)
			f.must(err)
		}
	})
	equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateRunning)
}

// die runs the task in a process that dies, and starts the next.
func (f *fixture[TTx]) die(id string) {
	f.Helper()
	f.startJob(f.claim(id).JobID)
	end, err := f.store.BeginWork(f.ctx)
	f.must(err)
	f.must(end())
}
