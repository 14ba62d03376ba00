package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const lease = time.Minute

func reapTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"an absent node's", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.clock.advance(time.Minute)
			f.reap(1)
			reaped := f.clock.now()
			f.fresh(run.TaskID, run.JobID)
			f.refused(run.Fence)
			equal(f.T, "the time of change", f.get(run.TaskID).UpdatedAt, reaped)
			equal(f.T, "the recoveries", f.column(run.TaskID, "recoveries"), "1")
			want := []string{fmt.Sprintf("recovered, run 1 on reaper: node n of job %d died", run.JobID)}
			if got := f.events(run.TaskID); !slices.Equal(got, want) {
				f.Errorf("the timeline is %q, want %q", got, want)
			}
			old := f.job(run.JobID)
			equal(f.T, "the old job's state", old.State, rivertype.JobStateDiscarded)
			if old.FinalizedAt == nil || old.FinalizedAt.Sub(reaped).Abs() > time.Millisecond {
				f.Errorf("the old job was finalized at %v, want %v", old.FinalizedAt, reaped)
			}
			f.unchanged(run.TaskID, "another reap", func() { f.reap(0) })
			equal(f.T, "the run", f.claim(run.TaskID).RunSeq, 2)
		}},
		{"a silent node's", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.beat("n")
			f.unchanged(run.TaskID, "a reap of a live node", func() { f.reap(0) })
			f.silence("n", lease/2)
			f.unchanged(run.TaskID, "a reap within the lease", func() { f.reap(0) })
			f.silence("n", 2*lease)
			f.reap(1)
			f.fresh(run.TaskID, run.JobID)
		}},
		{"its job is discarded", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.beat("n")
			f.silence("n", 2*lease)
			f.reap(1)
			f.fresh(run.TaskID, run.JobID)
			equal(f.T, "the old job's state", f.job(run.JobID).State, rivertype.JobStateDiscarded)
		}},
		// Somebody's lock keeps the fresh job from the task: its own is not discarded.
		{"a lost fetch of a locked task", func(f *fixture[TTx]) {
			if f.exclusive() {
				return
			}
			id := f.create(1)[0].ID
			lost := driver.Job{ID: f.jobOf(id), TaskID: id, Node: "n"}
			f.startJob(lost.ID, "n")
			f.must(f.inTx(func(tx TTx) error {
				if _, err := f.driver.Lock(f.ctx, tx, id, false); err != nil {
					return err
				}
				done, err := f.store.RecoverLost(f.ctx, lost, "n")
				equal(f.T, "whether it was recovered", done, false)
				return err
			}))
			equal(f.T, "the job's state", f.job(lost.ID).State, rivertype.JobStateRunning)
			f.recoverLost(lost)
			f.fresh(id, lost.ID)
			equal(f.T, "the job's state later", f.job(lost.ID).State, rivertype.JobStateDiscarded)
		}},
		{"no longer steady", func(f *fixture[TTx]) {
			for range 2 {
				f.startJob(f.begin().JobID, "n")
			}
			asked := 0
			seen, err := f.store.Reap(f.ctx, "reaper", lease, func() bool { asked++; return asked == 1 })
			f.must(err)
			equal(f.T, "the number of reaped jobs", seen, 1)
			f.reap(1)
		}},
		{"only the dead's", func(f *fixture[TTx]) {
			dead, alive, waiting, parked := f.begin(), f.begin(), f.begin(), f.parked("a")
			f.startJob(dead.JobID, "alive", "dead")
			f.startJob(alive.JobID, "dead", "alive")
			f.must(f.setJob(waiting.JobID, rivertype.JobStateRetryable, "dead"))
			f.beat("alive")
			kept := func() string { return f.rows(alive.TaskID) + f.rows(waiting.TaskID) + f.rows(parked.TaskID) }
			f.sameAfter(kept, "a reap", func() { f.reap(1) })
			f.fresh(dead.TaskID, dead.JobID)
			f.report(alive, driver.Progress{})
			equal(f.T, "the live one's job", f.job(alive.JobID).State, rivertype.JobStateRunning)
		}},
		{"nobody's", func(f *fixture[TTx]) {
			ended, parked, deleted, elsewhere := f.begin(), f.begin(), f.begin(), f.begin()
			f.finish(ended.Fence, result(`{}`))
			for _, run := range []*driver.Claimed{ended, parked, deleted, elsewhere} {
				f.startJob(run.JobID, "n")
			}
			f.park(parked, "a")
			f.query("DELETE FROM {s}mcp_task WHERE id = '%s'", deleted.TaskID)
			f.query("UPDATE {s}mcp_task SET job_id = %d WHERE id = '%s'", f.jobOf(f.create(1)[0].ID), elsewhere.TaskID)
			kept := func() string { return f.rows(ended.TaskID) + f.rows(parked.TaskID) + f.rows(elsewhere.TaskID) }
			f.sameAfter(kept, "a reap", func() { f.reap(0) })
			for _, run := range []*driver.Claimed{ended, parked, deleted, elsewhere} {
				equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateDiscarded)
			}
			f.reap(0)
		}},
		{"of no task", func(f *fixture[TTx]) {
			var id int64
			f.must(f.inTx(func(tx TTx) error {
				inserted, err := f.river.InsertTx(f.ctx, tx, noTask{}, &river.InsertOpts{Queue: "reports"})
				if err == nil {
					id = inserted.Job.ID
				}
				return err
			}))
			f.startJob(id)
			f.reap(0)
			equal(f.T, "the job's state", f.job(id).State, rivertype.JobStateDiscarded)
		}},
		{"another node has it meanwhile", func(f *fixture[TTx]) {
			for name, move := range map[string]func(id int64) error{
				"running elsewhere": func(id int64) error { return f.setJob(id, rivertype.JobStateRunning, "n", "m") },
				"waiting":           func(id int64) error { return f.setJob(id, rivertype.JobStateAvailable, "n") },
				"completed":         func(id int64) error { return f.setJob(id, rivertype.JobStateCompleted, "n") },
			} {
				run := f.begin()
				f.beat("m")
				f.startJob(run.JobID, "n")
				before, kept := f.rows(run.TaskID), rivertype.JobState("")
				broken := &faulty[TTx]{Driver: f.driver, orphans: func(jobs []driver.Job) error {
					if len(jobs) == 0 {
						return nil
					}
					err := move(run.JobID)
					kept = f.job(run.JobID).State
					return err
				}}
				_, err := f.storeOn(broken, config.Config{}).Reap(f.ctx, "reaper", lease, always)
				f.must(err)
				equal(f.T, name+": the task", f.rows(run.TaskID), before)
				equal(f.T, name+": the job's state", f.job(run.JobID).State, kept)
				f.report(run, driver.Progress{})
			}
		}},
		{"locked", func(f *fixture[TTx]) {
			if f.exclusive() {
				return
			}
			run, other := f.begin(), f.begin()
			f.startJob(run.JobID, "n")
			f.startJob(other.JobID, "n")
			f.must(f.inTx(func(tx TTx) error {
				if _, err := f.driver.Lock(f.ctx, tx, run.TaskID, false); err != nil {
					return err
				}
				f.unchangedTask(run.TaskID, "a reap", func() { f.reap(1) })
				return nil
			}))
			f.fresh(other.TaskID, other.JobID)
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateRunning)
			f.reap(1)
			f.fresh(run.TaskID, run.JobID)
		}},
		{"not claimed", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxRecoveries: 1})
			id := f.create(1)[0].ID
			for range 3 { // nothing of ours ran
				job := f.jobOf(id)
				f.startJob(job, "n")
				f.reap(1)
				f.fresh(id, job)
				equal(f.T, "the recoveries", f.column(id, "recoveries"), "0")
			}
		}},
		{"many", func(f *fixture[TTx]) {
			const many = 120 // more than a reap sees to before it looks again
			f.create(many)
			f.query("UPDATE {s}river_job SET state = 'running'")
			f.reap(many)
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "240")
			f.reap(0)
		}},
		{"by two at once", func(f *fixture[TTx]) {
			other := f.storeOn(f.again(), config.Config{})
			runs := f.beginAll(30)
			for _, run := range runs {
				f.startJob(run.JobID, "n")
			}
			reap := func(s *taskstore.Store[TTx]) func() error {
				return func() error { _, err := s.Reap(f.ctx, "reaper", lease, always); return err }
			}
			f.atOnce(reap(f.store), reap(other))
			_, err := f.store.Reap(f.ctx, "reaper", lease, always) // what both met locked
			f.must(err)
			for _, run := range runs {
				equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 2)
				equal(f.T, "the recoveries", f.column(run.TaskID, "recoveries"), "1")
				f.fresh(run.TaskID, run.JobID)
			}
		}},
		{"against finish", func(f *fixture[TTx]) {
			for _, run := range f.beginAll(30) {
				f.startJob(run.JobID, "n")
				held := false
				f.atOnce(
					func() error { _, err := f.store.Reap(f.ctx, "reaper", lease, always); return err },
					func() (err error) {
						held, err = f.store.Finish(f.ctx, run.Fence, run.Tool, result(`{}`), driver.Event{})
						return err
					},
				)
				state := rivertype.JobStateDiscarded
				if held {
					state = rivertype.JobStateCompleted
					equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusCompleted)
					equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 1)
				} else {
					f.fresh(run.TaskID, run.JobID)
				}
				_, err := f.store.Reap(f.ctx, "reaper", lease, always)
				f.must(err)
				equal(f.T, "the old job's state", f.job(run.JobID).State, state)
			}
		}},
		{"over the limit", func(f *fixture[TTx]) {
			const limit = 2
			f.store = f.newStore(config.Config{MaxRecoveries: limit})
			poison, other := f.create(1)[0].ID, f.create(1)[0].ID
			for range limit {
				f.die(poison)
				equal(f.T, "the status", f.get(poison).Status, mcptasks.StatusWorking)
			}
			last := f.jobOf(poison)
			f.die(poison)
			task := f.get(poison)
			equal(f.T, "the status", task.Status, mcptasks.StatusFailed)
			equal(f.T, "job_id", f.column(poison, "job_id"), "<nil>")
			equal(f.T, "the number of jobs", len(f.jobsOf(poison)), limit+1)
			equal(f.T, "the last job's state", f.job(last).State, rivertype.JobStateDiscarded)
			if task.Outcome == nil || task.Outcome.Error == nil || !strings.Contains(task.Outcome.Error.Message, "3 times") {
				f.Errorf("the outcome is %+v, want an error that says how often", task.Outcome)
			}
			if events := f.events(poison); len(events) == 0 || !strings.HasPrefix(events[len(events)-1], driver.EventFailed) {
				f.Errorf("the timeline is %q, want the failure in the end", events)
			}
			equal(f.T, "the other's status", f.get(other).Status, mcptasks.StatusWorking)
		}},
		{"a step shows progress", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxRecoveries: 1})
			id := f.create(1)[0].ID
			for _, key := range []string{"a", "b", "c"} {
				f.die(id)
				equal(f.T, "the recoveries", f.column(id, "recoveries"), "1")
				run := f.claim(id)
				if key != "a" {
					f.saveStep(run.Fence, "a", `1`) // a known one shows none
					equal(f.T, "the recoveries after a known step", f.column(id, "recoveries"), "1")
				}
				f.saveStep(run.Fence, key, `1`)
				equal(f.T, "the recoveries after a step", f.column(id, "recoveries"), "0")
			}
			f.die(id)
			equal(f.T, "the status", f.get(id).Status, mcptasks.StatusWorking)
			f.die(id)
			equal(f.T, "the status in the end", f.get(id).Status, mcptasks.StatusFailed)
		}},
		{"an answer shows progress", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxRecoveries: 1})
			id := f.create(1)[0].ID
			for _, key := range []string{"a", "b", "c"} {
				f.die(id)
				equal(f.T, "the recoveries", f.column(id, "recoveries"), "1")
				f.park(f.claim(id), key, key+" too")
				equal(f.T, "the recoveries after a question", f.column(id, "recoveries"), "1")
				f.must(f.answer(id, key))
				equal(f.T, "the recoveries after an answer", f.column(id, "recoveries"), "0")
				f.wantOpen(id, key+" too")
				f.must(f.answer(id, key+" too"))
				equal(f.T, "the recoveries after the last", f.column(id, "recoveries"), "0")
			}
			f.die(id)
			f.die(id)
			equal(f.T, "the status in the end", f.get(id).Status, mcptasks.StatusFailed)
		}},
		{"what shows none", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxRecoveries: 2})
			id := f.create(1)[0].ID
			f.die(id)
			f.report(f.claim(id), driver.Progress{Done: 1})
			f.die(id)
			f.retry(f.claim(id).Fence, "once")
			equal(f.T, "the recoveries", f.column(id, "recoveries"), "2")
			f.die(id)
			equal(f.T, "the status", f.get(id).Status, mcptasks.StatusFailed)
		}},
		{"attempts survive", func(f *fixture[TTx]) {
			run := f.begin()
			f.retry(run.Fence, "once")
			f.die(run.TaskID)
			f.park(f.claim(run.TaskID), "a")
			f.must(f.answer(run.TaskID, "a"))
			equal(f.T, "the attempts", f.claim(run.TaskID).Attempts, 1)
		}},

		{"announced", func(f *fixture[TTx]) {
			run, ended := f.begin(), f.begin()
			f.startJob(run.JobID, "n")
			f.startJob(ended.JobID, "n")
			f.finish(ended.Fence, result(`{}`))
			notifier := newNotifier()
			f.store = f.storeWith(f.driver, config.Config{}, notifier)
			f.reap(1)
			if changed := sentBy(notifier).tasks; !slices.Equal(changed, []string{run.TaskID}) {
				f.Errorf("announced %v, want %s", changed, run.TaskID)
			}
		}},
	}
}

// noTask is the arguments of a job of our kind that names no task.
type noTask struct{}

func (noTask) Kind() string { return riverdb.JobArgs{}.Kind() }

// reap fails the test unless so many jobs are reaped.
func (f *fixture[TTx]) reap(want int) {
	f.Helper()
	seen, err := f.store.Reap(f.ctx, "reaper", lease, always)
	f.must(err)
	equal(f.T, "the number of reaped jobs", seen, want)
}

// die runs the task on a node that dies, and has it reaped.
func (f *fixture[TTx]) die(id string) {
	f.Helper()
	f.startJob(f.claim(id).JobID, "dead")
	f.reap(1)
}

// always is a reaper that is steady all the time.
func always() bool { return true }
