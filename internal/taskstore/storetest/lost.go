package storetest

import (
	"fmt"
	"slices"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func lostTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"a lost fetch", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			job := f.jobOf(id)
			f.startJob(job, "n")
			f.beat("n")
			f.recoverLost(driver.Job{ID: job, TaskID: id, Node: "n"})
			f.fresh(id, job)
			equal(f.T, "the old job's state", f.job(job).State, rivertype.JobStateDiscarded)
			equal(f.T, "the recoveries", f.column(id, "recoveries"), "0")
			want := []string{fmt.Sprintf("recovered, run 0 on n: the fetch of job %d was lost", job)}
			if got := f.events(id); !slices.Equal(got, want) {
				f.Errorf("the timeline is %q, want %q", got, want)
			}
			f.unchanged(id, "the same again", func() { f.recoverLost(driver.Job{ID: job, TaskID: id, Node: "n"}) })
		}},
		{"a lost fetch counts no death", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxRecoveries: 1})
			id := f.create(1)[0].ID
			f.die(id)
			for range 3 {
				run := f.claim(id) // of a job whose first run was given back
				f.startJob(run.JobID, "n")
				f.recoverLost(driver.Job{ID: run.JobID, TaskID: id, Node: "n"})
				f.fresh(id, run.JobID)
				f.refused(run.Fence)
				equal(f.T, "the recoveries", f.column(id, "recoveries"), "1")
			}
		}},
		{"no lost fetch", func(f *fixture[TTx]) {
			elsewhere, waiting, completed, ended := f.begin(), f.begin(), f.begin(), f.begin()
			f.startJob(elsewhere.JobID, "n", "m")
			f.must(f.setJob(waiting.JobID, rivertype.JobStateAvailable, "n"))
			f.must(f.setJob(completed.JobID, rivertype.JobStateCompleted, "n"))
			for _, run := range []*driver.Claimed{elsewhere, waiting, completed} {
				f.unchanged(run.TaskID, "what is not lost", func() {
					f.recoverLost(driver.Job{ID: run.JobID, TaskID: run.TaskID, Node: "n"})
				})
			}
			f.finish(ended.Fence, result(`{}`))
			f.startJob(ended.JobID, "n")
			f.unchangedTask(ended.TaskID, "a lost fetch of an ended task", func() {
				f.recoverLost(driver.Job{ID: ended.JobID, TaskID: ended.TaskID, Node: "m"})
				equal(f.T, "the state of another node's job", f.job(ended.JobID).State, rivertype.JobStateRunning)
				f.recoverLost(driver.Job{ID: ended.JobID, TaskID: ended.TaskID, Node: "n"})
			})
			equal(f.T, "the job's state", f.job(ended.JobID).State, rivertype.JobStateDiscarded)
		}},
	}
}

func (f *fixture[TTx]) recoverLost(job driver.Job) {
	f.Helper()
	_, err := f.store.RecoverLost(f.ctx, job, "n")
	f.must(err)
}
