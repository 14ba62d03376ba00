package storetest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks/internal/riverdb"
)

// jobOf returns the id of the task's job, 0 if it has none.
func (f *fixture[TTx]) jobOf(id string) int64 {
	f.Helper()
	var job int64
	_, err := fmt.Sscan(f.value("SELECT coalesce(job_id, 0) FROM {s}mcp_task WHERE id = '%s'", id), &job)
	f.must(err)
	return job
}

// job returns a River job, nil if there is none of that id.
func (f *fixture[TTx]) job(id int64) *rivertype.JobRow {
	f.Helper()
	var job *rivertype.JobRow
	err := f.driver.InTx(f.ctx, func(tx TTx) (err error) {
		job, err = f.river.JobGetTx(f.ctx, tx, id)
		return err
	})
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	f.must(err)
	return job
}

// jobsOf returns the River jobs that name the task, oldest first.
func (f *fixture[TTx]) jobsOf(taskID string) []*rivertype.JobRow {
	f.Helper()
	all, err := f.allJobs()
	f.must(err)
	var jobs []*rivertype.JobRow
	for _, job := range all {
		if taskOf(job) == taskID {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

func (f *fixture[TTx]) allJobs() ([]*rivertype.JobRow, error) {
	jobs, err := f.driver.River().GetExecutor().JobGetByKindMany(f.ctx, &riverdriver.JobGetByKindManyParams{
		Kind: []string{riverdb.JobArgs{}.Kind()}, Schema: f.driver.Schema(),
	})
	slices.SortFunc(jobs, func(a, b *rivertype.JobRow) int { return cmp.Compare(a.ID, b.ID) })
	return jobs, err
}

// taskOf returns the id of the task that the job names.
func taskOf(job *rivertype.JobRow) string {
	var args riverdb.JobArgs
	_ = json.Unmarshal(job.EncodedArgs, &args)
	return args.TaskID
}

// fresh fails the test unless the task is working, unclaimed, under a job that
// waits to be fetched and is not the former one. It returns the job's id.
func (f *fixture[TTx]) fresh(id string, former int64) int64 {
	f.Helper()
	equal(f.T, "the status", f.column(id, "status"), "working")
	equal(f.T, "the token", f.column(id, "run_token"), "<nil>")
	job := f.job(f.jobOf(id))
	if job == nil || job.ID == former || taskOf(job) != id {
		f.Fatalf("the task's job is %+v, want a fresh one", job)
	}
	equal(f.T, "the job's state", job.State, rivertype.JobStateAvailable)
	equal(f.T, "the job's queue", job.Queue, "reports")
	equal(f.T, "the job's priority", job.Priority, 2)
	return job.ID
}

// startJob makes a job running under the nodes that have begun it one after the
// other, as a worker's fetch does.
func (f *fixture[TTx]) startJob(id int64, nodes ...string) {
	f.Helper()
	f.must(f.setJob(id, rivertype.JobStateRunning, nodes...))
}

// endJob makes a job final.
func (f *fixture[TTx]) endJob(id int64, state rivertype.JobState) {
	f.Helper()
	f.must(f.setJob(id, state))
}

func (f *fixture[TTx]) setJob(id int64, state rivertype.JobState, nodes ...string) error {
	params := &riverdriver.JobUpdateFullParams{
		ID: id, Schema: f.driver.Schema(),
		StateDoUpdate: true, State: state,
		FinalizedAtDoUpdate: true,
		AttemptedByDoUpdate: len(nodes) > 0, AttemptedBy: nodes,
	}
	if final(state) {
		at := f.clock.now()
		params.FinalizedAt = &at
	}
	_, err := f.driver.River().GetExecutor().JobUpdateFull(f.ctx, params)
	return err
}

func final(state rivertype.JobState) bool {
	return state == rivertype.JobStateCompleted || state == rivertype.JobStateCancelled || state == rivertype.JobStateDiscarded
}

func (f *fixture[TTx]) deleteJob(id int64) {
	f.Helper()
	f.query("DELETE FROM {s}river_job WHERE id = %d", id)
}
