package storetest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func surveyTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"of an empty database", func(f *fixture[TTx]) {
			before := time.Now()
			survey := f.survey()
			if at := survey.Clock; at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) || at.Location() != time.UTC {
				f.Errorf("the database's clock is %s, want now", at)
			}
			if len(survey.Nodes) != 0 || len(survey.Tasks) != 0 || len(survey.Waiting) != 0 {
				f.Errorf("the survey is %+v, want nothing", survey)
			}
			f.wantSound()
		}},
		{"nodes", func(f *fixture[TTx]) {
			f.beat("b")
			f.beatAs(driver.Node{ID: "a", Host: "first", Tools: []string{`a"b`, "c,d", "日本"}, Queues: []string{"default", "q-1"}})
			f.beatAs(driver.Node{ID: "c"})
			f.silence("b", time.Hour)
			for _, nodes := range [][]string{{"b"}, {"a", "b"}, {"a", "b"}, {"b", "a"}, {"unknown"}} {
				f.startJob(f.begin().JobID, nodes...)
			}
			f.must(f.setJob(f.begin().JobID, rivertype.JobStateAvailable, "a"))
			f.clock.advance(1000 * time.Hour) // the database's clock is not ours
			nodes, err := f.store.Operator().Nodes(f.ctx)
			f.must(err)
			if len(nodes) != 3 {
				f.Fatalf("the nodes are %+v, want three", nodes)
			}
			for i, want := range []struct {
				driver.NodeSeen
				silent time.Duration
			}{
				{driver.NodeSeen{Node: driver.Node{ID: "a", Host: "first", Tools: []string{`a"b`, "c,d", "日本"}, Queues: []string{"default", "q-1"}}, Running: 1}, 0},
				{driver.NodeSeen{Node: driver.Node{ID: "b", Host: "host", Tools: f.tools, Queues: []string{"reports"}}, Running: 3}, time.Hour},
				{driver.NodeSeen{Node: driver.Node{ID: "c", Tools: []string{}, Queues: []string{}}}, 0},
			} {
				got := nodes[i]
				if off := got.Silent - want.silent; off < 0 || off > time.Minute {
					f.Errorf("node %s has been silent for %s, want %s", got.ID, got.Silent, want.silent)
				}
				if off := time.Since(got.HeartbeatAt) - got.Silent; off.Abs() > time.Minute || got.HeartbeatAt.Location() != time.UTC {
					f.Errorf("node %s beat last at %s, and has been silent for %s", got.ID, got.HeartbeatAt, got.Silent)
				}
				got.HeartbeatAt, got.Silent = time.Time{}, 0
				if !reflect.DeepEqual(got, want.NodeSeen) {
					f.Errorf("node %d is %+v, want %+v", i, got, want.NodeSeen)
				}
			}
			surveyed := f.survey().Nodes
			equal(f.T, "the number of nodes in the survey", len(surveyed), 3)
		}},
		{"tasks", func(f *fixture[TTx]) {
			f.beginAll(3)
			f.parkedAll(2, "a")
			f.finish(f.begin().Fence, result(`{}`))
			f.finish(f.begin().Fence, failure.Outcome("no"))
			f.cancel(f.begin().TaskID)
			want := map[mcptasks.Status]int{mcptasks.StatusWorking: 3, mcptasks.StatusInputRequired: 2}
			if got := f.survey().Tasks; !maps.Equal(got, want) {
				f.Errorf("the tasks are %v, want %v", got, want)
			}
		}},
		{"waiting", func(f *fixture[TTx]) {
			of := func(tool, queue string) int64 {
				call := f.call()
				call.Tool = newTool(tool, &mcptasks.ToolOptions{Queue: queue})
				return f.jobOf(f.make(call).ID)
			}
			f.waited(of("report", "a"), 20*time.Minute)
			of("report", "a")
			f.waited(of("report", "b"), time.Minute)
			f.waited(of("other", "a"), 2*time.Hour)
			f.startJob(of("other", "a"), "n")
			f.wantWaiting(
				driver.Waiting{Queue: "a", Tool: "other", Jobs: 1, Oldest: 2 * time.Hour},
				driver.Waiting{Queue: "a", Tool: "report", Jobs: 2, Oldest: 20 * time.Minute},
				driver.Waiting{Queue: "b", Tool: "report", Jobs: 1, Oldest: time.Minute},
			)
		}},
		{"waiting, by what becomes of a task", func(f *fixture[TTx]) {
			run := f.begin() // River runs it
			f.startJob(run.JobID, "n")
			f.wantWaiting()
			f.retry(run.Fence, "once") // and again in a while
			f.must(f.setJob(run.JobID, rivertype.JobStateScheduled))
			f.waited(run.JobID, time.Hour)
			f.due(run.JobID, time.Minute)
			f.wantWaiting()
			f.due(run.JobID, -time.Minute) // the while is over
			f.wantWaiting(driver.Waiting{Queue: "reports", Tool: "report", Jobs: 1, Oldest: time.Minute})
			f.must(f.setJob(run.JobID, rivertype.JobStateRetryable))
			f.wantWaiting(driver.Waiting{Queue: "reports", Tool: "report", Jobs: 1, Oldest: time.Minute})
			run = f.claim(run.TaskID)
			f.startJob(run.JobID, "n")
			f.park(run, "a")
			f.wantWaiting()
			f.must(f.answer(run.TaskID, "a"))
			f.wantWaiting(driver.Waiting{Queue: "reports", Tool: "report", Jobs: 1})
			f.cancel(run.TaskID)
			f.wantWaiting()
			f.strayJob(rivertype.JobStateAvailable, taskstore.NewID(f.clock.now()), time.Hour) // no task's
			f.wantWaiting()
		}},
		{"waiting for a node that has the tool", func(f *fixture[TTx]) {
			// A node that lacks it puts the job off by a second, again and again.
			job := f.jobOf(f.create(1)[0].ID)
			f.waited(job, time.Hour)
			f.due(job, time.Second)
			f.wantWaiting(driver.Waiting{Queue: "reports", Tool: "report", Jobs: 1, Oldest: time.Hour})
		}},
		{"a busy database is sound", func(f *fixture[TTx]) {
			f.create(3)
			f.parked("a")
			run, snoozed, long := f.begin(), f.begin(), f.begin()
			f.startJob(run.JobID, "n")
			f.must(f.setJob(snoozed.JobID, rivertype.JobStateScheduled))
			f.startJob(long.JobID, "n")
			for _, job := range []int64{run.JobID, snoozed.JobID, long.JobID} {
				f.waited(job, 10*time.Hour)
			}
			f.clock.advance(10 * time.Hour)
			f.finish(long.Fence, result(`{}`)) // River has not settled its job yet
			f.wantSound()
			f.clock.advance(59 * time.Second)
			f.wantSound()
		}},
		{"tasks without a job", func(f *fixture[TTx]) {
			f.create(2)
			var want []string
			for name, plant := range map[string]func(*driver.Claimed){
				"gone":      func(run *driver.Claimed) { f.deleteJob(run.JobID) },
				"completed": func(run *driver.Claimed) { f.endJob(run.JobID, rivertype.JobStateCompleted) },
				"cancelled": func(run *driver.Claimed) { f.endJob(run.JobID, rivertype.JobStateCancelled) },
				"discarded": func(run *driver.Claimed) { f.endJob(run.JobID, rivertype.JobStateDiscarded) },
				"another's": func(run *driver.Claimed) {
					f.query("UPDATE {s}mcp_task SET job_id = %d WHERE id = '%s'", f.jobOf(f.create(1)[0].ID), run.TaskID)
					f.deleteJob(run.JobID)
				},
				"no question": func(run *driver.Claimed) {
					f.park(run, "a")
					f.query("DELETE FROM {s}mcp_task_input WHERE task_id = '%s'", run.TaskID)
				},
			} {
				run := f.begin()
				plant(run)
				f.clock.advance(settled - time.Second)
				if name != "no question" {
					f.wantJobless(want...) // it may be on its way
				}
				f.clock.advance(2 * time.Second)
				want = append(want, run.TaskID)
				f.wantJobless(want...)
			}
			f.must(f.store.Sweep(f.ctx, settled))
			f.wantJobless()
		}},
		{"jobs without a task", func(f *fixture[TTx]) {
			f.begin()
			var want []driver.Job
			for _, state := range []rivertype.JobState{"available", "pending", "retryable", "scheduled", "running"} {
				run := f.begin()
				f.query("DELETE FROM {s}mcp_task WHERE id = '%s'", run.TaskID)
				f.must(f.setJob(run.JobID, state, "former", "n"))
				f.waited(run.JobID, time.Minute-5*time.Second)
				f.wantTaskless(want...)
				f.waited(run.JobID, time.Minute+5*time.Second)
				want = append(want, driver.Job{ID: run.JobID, TaskID: run.TaskID, Node: "n"})
				f.wantTaskless(want...)
			}
			fetched := f.begin() // lately, after a long wait
			f.query("DELETE FROM {s}mcp_task WHERE id = '%s'", fetched.TaskID)
			f.waited(fetched.JobID, time.Hour)
			f.fetchedJustNow(fetched.JobID)
			ended := f.begin()
			f.finish(ended.Fence, result(`{}`))
			f.startJob(ended.JobID, "n")
			superseded := f.begin()
			f.startJob(superseded.JobID, "n")
			f.must(f.inTx(func(tx TTx) error { return f.requeue(tx, superseded.TaskID) }))
			for _, job := range []int64{ended.JobID, superseded.JobID} {
				f.waited(job, time.Hour)
			}
			f.wantTaskless(want...)
			f.clock.advance(time.Minute + time.Second) // their tasks have stood still
			want = append(want, driver.Job{ID: ended.JobID, TaskID: ended.TaskID, Node: "n"}, driver.Job{ID: superseded.JobID, TaskID: superseded.TaskID, Node: "n"})
			f.wantTaskless(want...)
			want = append(want, driver.Job{ID: f.strayJob(rivertype.JobStateAvailable, "", time.Hour)}) // names none at all
			f.wantTaskless(want...)
			for _, state := range []rivertype.JobState{"completed", "cancelled", "discarded"} {
				f.strayJob(state, taskstore.NewID(f.clock.now()), time.Hour)
			}
			f.wantTaskless(want...)
		}},
		{"many faults", func(f *fixture[TTx]) {
			f.create(120)
			f.query("DELETE FROM {s}mcp_task")
			f.query("UPDATE {s}river_job SET created_at = (SELECT created_at FROM {s}river_job WHERE id = %d)", f.strayJob("completed", "", time.Hour))
			f.create(120)
			f.query("UPDATE {s}mcp_task SET job_id = NULL")
			f.clock.advance(time.Hour)
			survey := f.survey()
			equal(f.T, "the number of tasks without a job", len(survey.Jobless), 100)
			equal(f.T, "the number of jobs without a task", len(survey.Taskless), 100)
			if !slices.IsSortedFunc(survey.Taskless, func(a, b driver.Job) int { return int(a.ID - b.ID) }) {
				f.Errorf("the jobs without a task are %v, want the oldest first", survey.Taskless)
			}
		}},
	}
}

func (f *fixture[TTx]) survey() *taskstore.Survey {
	f.Helper()
	survey, err := f.store.Operator().Survey(f.ctx)
	f.must(err)
	return survey
}

// wantSound fails the test if a survey finds a fault.
func (f *fixture[TTx]) wantSound() {
	f.Helper()
	f.wantJobless()
	f.wantTaskless()
}

func (f *fixture[TTx]) wantJobless(want ...string) {
	f.Helper()
	got := slices.Sorted(slices.Values(f.survey().Jobless))
	if want := slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		f.Errorf("the tasks without a job are %q, want %q", got, want)
	}
}

func (f *fixture[TTx]) wantTaskless(want ...driver.Job) {
	f.Helper()
	if got := f.survey().Taskless; !slices.Equal(got, want) {
		f.Errorf("the jobs without a task are %v, want %v", got, want)
	}
}

// wantWaiting fails the test unless those wait, the oldest for a minute more at most.
func (f *fixture[TTx]) wantWaiting(want ...driver.Waiting) {
	f.Helper()
	got := f.survey().Waiting
	for i, w := range got {
		if i < len(want) && w.Oldest >= want[i].Oldest && w.Oldest < want[i].Oldest+time.Minute {
			got[i].Oldest = want[i].Oldest
		}
	}
	if !slices.Equal(got, want) {
		f.Errorf("%+v wait, want %+v", got, want)
	}
}

// waited makes a job one that was inserted, fell due and was fetched last so long
// ago. River's drivers differ in how they write times: another job lends its own.
func (f *fixture[TTx]) waited(job int64, ago time.Duration) {
	f.Helper()
	f.lend(job, -ago, "created_at", "scheduled_at", "attempted_at")
}

// due makes a job fall due so long from now.
func (f *fixture[TTx]) due(job int64, in time.Duration) {
	f.Helper()
	f.lend(job, in, "scheduled_at")
}

func (f *fixture[TTx]) fetchedJustNow(job int64) {
	f.Helper()
	f.lend(job, 0, "attempted_at")
}

func (f *fixture[TTx]) lend(job int64, from time.Duration, columns ...string) {
	f.Helper()
	lender := f.strayJob(rivertype.JobStateCompleted, "", -from)
	for _, column := range columns {
		f.query("UPDATE {s}river_job SET %s = (SELECT created_at FROM {s}river_job WHERE id = %d) WHERE id = %d", column, lender, job)
	}
	f.deleteJob(lender)
}

// strayJob inserts a job that was made so long ago and returns its id. If it names a
// task, the task does not name it.
func (f *fixture[TTx]) strayJob(state rivertype.JobState, taskID string, ago time.Duration) int64 {
	f.Helper()
	at := time.Now().Add(-ago)
	params := &riverdriver.JobInsertFullParams{
		Kind: riverdb.JobArgs{}.Kind(), State: state, Queue: "reports", Priority: 1, MaxAttempts: 1,
		EncodedArgs: []byte(`{}`), Schema: f.driver.Schema(),
		CreatedAt: &at, ScheduledAt: &at,
	}
	if taskID != "" {
		params.EncodedArgs, _ = json.Marshal(riverdb.JobArgs{TaskID: taskID}) //nolint:errchkjson // a string
	}
	if final(state) {
		params.FinalizedAt = &at
	}
	job, err := f.driver.River().GetExecutor().JobInsertFull(f.ctx, params)
	f.must(err)
	return job.ID
}

// requeue gives the task another job, whatever its own does.
func (f *fixture[TTx]) requeue(tx TTx, id string) error {
	inserted, err := f.river.InsertTx(f.ctx, tx, riverdb.JobArgs{TaskID: id}, nil)
	if err != nil {
		return err
	}
	return f.driver.Requeue(f.ctx, tx, id, inserted.Job.ID, 0, "", driver.Event{}, f.clock.now())
}
