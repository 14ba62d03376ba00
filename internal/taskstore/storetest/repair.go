package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// settled is how long the tests' tasks must stand still to be held to disagree
// with their jobs: a lease.
var settled = config.Default().Lease()

// repairTests make each pair of the states of a task and its job, and look at what
// becomes of it on the poll that meets it, and by a sweep.
func repairTests[TTx any]() []test[TTx] {
	tests := []test[TTx]{
		{"fresh jobs are bounded", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			for range taskstore.MaxRepairs {
				job := f.jobOf(id)
				f.claim(id)
				f.endJob(job, rivertype.JobStateCompleted)
				f.clock.advance(settled + time.Second)
				equal(f.T, "the status", f.get(id).Status, mcptasks.StatusWorking)
				f.fresh(id, job)
			}
			f.deleteJob(f.jobOf(id))
			f.clock.advance(settled + time.Second)
			f.wantFailed(f.get(id), "The task could not be run.")
			if events := f.events(id); len(events) != taskstore.MaxRepairs+1 || !strings.HasPrefix(events[taskstore.MaxRepairs], driver.EventFailed) {
				f.Errorf("the timeline is %q, want the repairs and the failure", events)
			}
			equal(f.T, "the number of jobs", len(f.jobsOf(id)), taskstore.MaxRepairs)
		}},
		{"not yet settled", func(f *fixture[TTx]) {
			run := f.begin()
			f.endJob(run.JobID, rivertype.JobStateCompleted)
			f.clock.advance(settled - 5*time.Second)
			f.unchanged(run.TaskID, "a sweep", func() { f.must(f.store.Sweep(f.ctx, settled)) })
			f.unchanged(run.TaskID, "a poll", func() { f.get(run.TaskID) })
			f.report(run, driver.Progress{})
			f.clock.advance(settled - 5*time.Second)
			f.unchanged(run.TaskID, "a poll of a task that has moved", func() { f.get(run.TaskID) })
			f.clock.advance(time.Minute)
			f.get(run.TaskID)
			f.fresh(run.TaskID, run.JobID)
		}},
		{"settled is the lease", func(f *fixture[TTx]) {
			const interval = 2 * time.Second
			f.store = f.newStore(config.Config{HeartbeatInterval: interval})
			run := f.begin()
			f.endJob(run.JobID, rivertype.JobStateCompleted)
			jobless := func() int {
				survey, err := f.store.Operator().Survey(f.ctx)
				f.must(err)
				return len(survey.Jobless)
			}
			f.clock.advance(3*interval - 2*time.Second) // unchanged lets a second pass, too
			f.unchanged(run.TaskID, "a poll", func() { f.get(run.TaskID) })
			equal(f.T, "the tasks without a job", jobless(), 0)
			f.clock.advance(2 * time.Second)
			equal(f.T, "the tasks without a job, a lease later", jobless(), 1)
			f.get(run.TaskID)
			f.fresh(run.TaskID, run.JobID)
		}},
		{"two polls at once", func(f *fixture[TTx]) {
			other := f.storeOn(f.again(), config.Config{})
			runs := f.beginAll(30)
			f.query("DELETE FROM {s}river_job")
			f.clock.advance(settled + time.Second)
			for _, run := range runs {
				poll := func(s *taskstore.Store[TTx]) func() error {
					return func() error { _, err := s.Get(f.ctx, alice, run.TaskID); return err }
				}
				f.atOnce(poll(f.store), poll(other))
				f.fresh(run.TaskID, 0)
				equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 1)
			}
		}},
		{"many", func(f *fixture[TTx]) {
			f.create(120)
			f.query("DELETE FROM {s}river_job")
			f.clock.advance(settled + time.Second)
			f.must(f.store.Sweep(f.ctx, settled))
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job WHERE state = 'available'"), "120")
		}},
		{"locked", func(f *fixture[TTx]) {
			if f.exclusive() {
				return
			}
			run := f.begin()
			f.deleteJob(run.JobID)
			f.clock.advance(settled + time.Second)
			f.must(f.inTx(func(tx TTx) error {
				if _, err := f.driver.Lock(f.ctx, tx, run.TaskID, false); err != nil {
					return err
				}
				f.unchanged(run.TaskID, "a sweep and a poll", func() {
					f.must(f.store.Sweep(f.ctx, settled))
					equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusWorking)
				})
				return nil
			}))
			f.get(run.TaskID)
			f.fresh(run.TaskID, 0)
		}},
		{"keeps what is recorded", func(f *fixture[TTx]) {
			run := f.begin()
			f.query("UPDATE {s}mcp_task SET recoveries = 2 WHERE id = '%s'", run.TaskID)
			f.deleteJob(run.JobID)
			f.clock.advance(settled + time.Second)
			f.get(run.TaskID)
			equal(f.T, "the recoveries", f.column(run.TaskID, "recoveries"), "2")
			f.refused(run.Fence)
		}},
		{"finished jobs of terminal tasks", func(f *fixture[TTx]) {
			run := f.begin()
			f.finish(run.Fence, result(`{}`))
			f.endJob(run.JobID, rivertype.JobStateCompleted)
			f.clock.advance(settled + time.Second)
			f.unchanged(run.TaskID, "a sweep and a poll", func() {
				f.must(f.store.Sweep(f.ctx, 0))
				f.get(run.TaskID)
			})
		}},
	}

	const gone, anothers, none = rivertype.JobState("gone"), rivertype.JobState("another task's"), rivertype.JobState("none")
	states := append(rivertype.JobStates(), gone, anothers, none)
	ways := map[string]func(*fixture[TTx], string){
		"poll": func(f *fixture[TTx], id string) { f.get(id) },
		"sweep": func(f *fixture[TTx], _ string) {
			f.must(f.store.Sweep(f.ctx, settled))
		},
	}
	for way, meet := range ways {
		for _, state := range states {
			tests = append(tests, test[TTx]{fmt.Sprintf("working, %s, %s", state, way), func(f *fixture[TTx]) {
				run := f.begin()
				switch state {
				case gone:
					f.deleteJob(run.JobID)
				case anothers:
					f.query("UPDATE {s}mcp_task SET job_id = %d WHERE id = '%s'", f.jobOf(f.create(1)[0].ID), run.TaskID)
				case none:
					f.query("UPDATE {s}mcp_task SET job_id = NULL WHERE id = '%s'", run.TaskID)
				default:
					f.must(f.setJob(run.JobID, state, "n"))
				}
				job := f.jobOf(run.TaskID)
				f.clock.advance(settled - time.Second)
				f.unchanged(run.TaskID, "a "+way+" too early", func() { meet(f, run.TaskID) })
				f.clock.advance(2 * time.Second)
				switch state {
				case rivertype.JobStateCancelled:
					meet(f, run.TaskID)
					task := f.get(run.TaskID)
					equal(f.T, "the status", task.Status, mcptasks.StatusCancelled)
					equal(f.T, "the expiry", task.ExpiresAt, task.CreatedAt.Add(ttl))
					f.wantRepaired(run, fmt.Sprintf("job %d was cancelled", job))
				case rivertype.JobStateDiscarded:
					meet(f, run.TaskID)
					f.wantFailed(f.get(run.TaskID), "The task was ended by the service.")
					f.wantRepaired(run, fmt.Sprintf("job %d was discarded", job))
				case rivertype.JobStateCompleted, gone, anothers, none:
					meet(f, run.TaskID)
					if state == gone { // its id is free for another
						f.fresh(run.TaskID, 0)
					} else {
						f.fresh(run.TaskID, job)
					}
					f.wantRepaired(run, fmt.Sprintf("job %d is gone or completed", job))
				default:
					f.unchanged(run.TaskID, "a "+way, func() { meet(f, run.TaskID) })
					f.report(run, driver.Progress{})
					return
				}
				f.refused(run.Fence)
				f.unchanged(run.TaskID, "another "+way, func() { meet(f, run.TaskID) })
			}})
		}
		tests = append(tests, test[TTx]{"input_required, no open question, " + way, func(f *fixture[TTx]) {
			run := f.parked("a", "b")
			f.query("UPDATE {s}mcp_task_input SET answered_at = asked_at WHERE key = 'a'")
			f.unchanged(run.TaskID, "a "+way+" while one is open", func() { meet(f, run.TaskID) })
			f.query("DELETE FROM {s}mcp_task_input WHERE key = 'b'")
			meet(f, run.TaskID)
			f.fresh(run.TaskID, run.JobID)
			f.wantRepaired(run, "no question was open", `parked, run 1 on node-1: until ["a" "b"] are answered`)
			f.unchanged(run.TaskID, "another "+way, func() { meet(f, run.TaskID) })
		}})
	}
	for _, status := range mcptasks.Statuses()[1:] {
		tests = append(tests, test[TTx]{string(status) + ", any", func(f *fixture[TTx]) {
			for _, state := range states {
				run := f.begin()
				f.put(run, status)
				switch state {
				case gone, none:
					f.deleteJob(run.JobID)
				case anothers:
				default:
					f.must(f.setJob(run.JobID, state, "n"))
				}
				f.clock.advance(settled + time.Second)
				for way, meet := range ways {
					f.unchanged(run.TaskID, fmt.Sprintf("a %s of a task that is %s with a job that is %s", way, status, state), func() { meet(f, run.TaskID) })
				}
				if claimed, err := f.store.Claim(f.ctx, run.TaskID, run.JobID, f.tools, here); claimed != nil || err != nil {
					f.Errorf("%s, %s: claimed %+v, %v, want nothing", status, state, claimed, err)
				}
				f.refused(run.Fence)
			}
		}})
	}
	return tests
}

func (f *fixture[TTx]) wantFailed(task *mcptasks.Task, sentence string) {
	f.Helper()
	equal(f.T, "the status", task.Status, mcptasks.StatusFailed)
	equal(f.T, "the message", task.StatusMessage, sentence)
	if task.Outcome == nil || task.Outcome.Error == nil || task.Outcome.Error.Message != sentence {
		f.Errorf("the outcome is %+v, want the error %q", task.Outcome, sentence)
	}
	equal(f.T, "job_id", f.column(task.ID, "job_id"), "<nil>")
}

// wantRepaired fails the test unless the task's timeline is what was before and the
// repair.
func (f *fixture[TTx]) wantRepaired(run *driver.Claimed, detail string, before ...string) {
	f.Helper()
	want := append(before, fmt.Sprintf("%s, run %d on : %s", driver.EventRepaired, run.RunSeq, detail))
	if got := f.events(run.TaskID); !slices.Equal(got, want) {
		f.Errorf("the timeline is %q, want %q", got, want)
	}
}
