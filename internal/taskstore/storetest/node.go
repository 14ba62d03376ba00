package storetest

import (
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func nodeTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"beat", func(f *fixture[TTx]) {
			job := f.begin().JobID
			f.startJob(job, "n")
			f.orphans(lease, job)
			f.beat("n")
			f.orphans(lease)
			f.silence("n", 2*lease)
			f.orphans(lease, job)
			f.orphans(3 * lease)
			f.silence("n", -2*lease) // as before the database's clock was put back
			f.orphans(lease, job)
			f.silence("n", -lease/2)
			f.orphans(lease)
			f.beat("n") // as after an outage
			f.orphans(lease)
			equal(f.T, "the number of nodes", f.value("SELECT count(*) FROM {s}mcp_node"), "1")
		}},
		{"what a beat says", func(f *fixture[TTx]) {
			for _, node := range []driver.Node{
				{ID: "n", Host: "old", Tools: []string{"old"}},
				{ID: "n", Host: "host", Tools: []string{`a"b`, "c,d", "日本"}, Queues: []string{"default", "q-1"}},
			} {
				f.beatAs(node)
			}
			equal(f.T, "the host", f.value("SELECT host FROM {s}mcp_node"), "host")
		}},
		{"forget", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.beat("n")
			f.beat("m")
			f.must(f.store.Forget(f.ctx, "unknown"))
			f.orphans(lease)
			f.must(f.store.Forget(f.ctx, "n"))
			f.orphans(lease, run.JobID)
			f.nodes("m")
			f.beat("n")
			f.orphans(lease)
			f.must(f.store.Forget(f.ctx, ""))
			f.nodes()
		}},
		{"prune", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "idle", "busy")
			f.beat("busy")
			f.beat("idle")
			f.silence("busy", time.Hour)
			f.silence("idle", time.Hour)
			f.beat("alive")
			f.must(f.store.Prune(f.ctx, 2*time.Hour))
			f.nodes("alive", "busy", "idle")
			f.must(f.store.Prune(f.ctx, time.Minute))
			f.nodes("alive", "busy")
			_, err := f.store.Reap(f.ctx, "alive", lease, always)
			f.must(err)
			f.must(f.store.Prune(f.ctx, time.Minute))
			f.nodes("alive")
		}},
		{"running on", func(f *fixture[TTx]) {
			first, passedOn, waiting, ended := f.begin(), f.begin(), f.begin(), f.begin()
			f.startJob(first.JobID, "other", "n")
			f.startJob(passedOn.JobID, "n", "other")
			f.must(f.setJob(waiting.JobID, "available", "n"))
			f.must(f.setJob(ended.JobID, "completed", "n"))
			jobs, err := f.store.RunningOn(f.ctx, "n")
			f.must(err)
			want := []driver.Job{{ID: first.JobID, TaskID: first.TaskID, Node: "n"}}
			equal(f.T, "the jobs", fmt.Sprint(jobs), fmt.Sprint(want))
			jobs, err = f.store.RunningOn(f.ctx, "unknown")
			f.must(err)
			equal(f.T, "the number of an unknown node's", len(jobs), 0)
		}},
		{"orphans", func(f *fixture[TTx]) {
			var runs []*driver.Claimed
			for _, nodes := range [][]string{{"dead", "alive"}, {"alive", "dead"}, nil, {"dead"}} {
				run := f.begin()
				f.startJob(run.JobID, nodes...)
				runs = append(runs, run)
			}
			for _, state := range []string{"available", "pending", "scheduled", "retryable", "completed", "cancelled", "discarded"} {
				f.must(f.setJob(f.begin().JobID, rivertype.JobState(state), "dead"))
			}
			f.beat("alive")
			f.orphans(lease, runs[1].JobID, runs[2].JobID, runs[3].JobID)
			f.orphans(0, runs[0].JobID, runs[1].JobID, runs[2].JobID, runs[3].JobID)
			jobs, err := f.driver.Orphans(f.ctx, lease, 2)
			f.must(err)
			equal(f.T, "the number of at most 2 orphans", len(jobs), 2)
			jobs, err = f.driver.Orphans(f.ctx, lease, 100)
			f.must(err)
			for _, job := range jobs {
				if job.ID == runs[1].JobID {
					equal(f.T, "the orphan", job, driver.Job{ID: runs[1].JobID, TaskID: runs[1].TaskID, Node: "dead"})
				}
			}
		}},
		{"by the database's clock", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.beat("n")
			for _, skew := range []time.Duration{-1000 * time.Hour, 2000 * time.Hour} {
				f.clock.advance(skew)
				f.orphans(lease)
			}
		}},
	}
}

func (f *fixture[TTx]) beat(id string) {
	f.Helper()
	f.beatAs(driver.Node{ID: id, Host: "host", Tools: f.tools, Queues: []string{"reports"}})
}

// beatAs sends a heartbeat, and fails the test unless it returns the database's time.
func (f *fixture[TTx]) beatAs(node driver.Node) {
	f.Helper()
	began := time.Now()
	at, err := f.store.Heartbeat(f.ctx, node)
	f.must(err)
	if at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		f.Errorf("the beat was at %s, want now", at)
	}
}

// silence makes the node's last beat one that was so long ago. Times of tasks and
// beats are columns of one type: a task of that time lends its own.
func (f *fixture[TTx]) silence(id string, ago time.Duration) {
	f.Helper()
	now := f.clock.now()
	f.clock.set(time.Now().Add(-ago))
	task := f.create(1)[0].ID
	f.clock.set(now)
	job := f.jobOf(task)
	f.query("UPDATE {s}mcp_node SET beat_at = (SELECT created_at FROM {s}mcp_task WHERE id = '%s') WHERE id = '%s'", task, id)
	f.query("DELETE FROM {s}mcp_task WHERE id = '%s'", task)
	f.deleteJob(job)
}

// orphans fails the test unless those jobs, by id, have nobody who runs them.
func (f *fixture[TTx]) orphans(lease time.Duration, want ...int64) {
	f.Helper()
	jobs, err := f.driver.Orphans(f.ctx, lease, 100)
	f.must(err)
	got := make(map[int64]bool)
	for _, job := range jobs {
		got[job.ID] = true
	}
	wanted := make(map[int64]bool)
	for _, id := range want {
		wanted[id] = true
	}
	equal(f.T, "the orphans", fmt.Sprint(got), fmt.Sprint(wanted))
}

// nodes fails the test unless the nodes are those.
func (f *fixture[TTx]) nodes(want ...string) {
	f.Helper()
	var got []string
	for _, row := range f.query("SELECT id FROM {s}mcp_node ORDER BY id") {
		got = append(got, fmt.Sprint(row[0]))
	}
	equal(f.T, "the nodes", fmt.Sprint(got), fmt.Sprint(want))
}
