package storetest

import (
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func deadlineTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"a question's", func(f *fixture[TTx]) {
			run := f.begin()
			f.query("UPDATE {s}mcp_task SET recoveries = 2 WHERE id = '%s'", run.TaskID)
			f.park(run, "a", "b")
			asked := f.clock.now()
			f.clock.set(asked.Add(within - time.Second))
			f.unchanged(run.TaskID, "a sweep at the deadline", func() { f.must(f.store.Sweep(f.ctx, 0)) })
			f.clock.set(asked.Add(within + time.Microsecond))
			f.must(f.store.Sweep(f.ctx, 0))
			f.fresh(run.TaskID, run.JobID)
			equal(f.T, "the time of change", f.get(run.TaskID).UpdatedAt, f.clock.now())
			equal(f.T, "the recoveries", f.column(run.TaskID, "recoveries"), "2")
			f.unchanged(run.TaskID, "another sweep, and a late answer", func() {
				f.must(f.store.Sweep(f.ctx, 0))
				f.must(f.answer(run.TaskID, "a"))
			})
			again := f.claim(run.TaskID)
			for _, key := range []string{"a", "b"} {
				if q := again.Questions[key]; !q.Expired || q.Response != nil || q.Open() {
					f.Errorf("the question is %+v, want an expired one", q)
				}
			}
			// What has expired is asked no more.
			parked, held, err := f.store.Park(f.ctx, again.Fence, map[string]mcptasks.Question{"a": confirm}, within)
			if parked || !held || err != nil {
				f.Errorf("Park returned %v, %v, %v, want that the run goes on", parked, held, err)
			}
		}},
		{"of one of two questions", func(f *fixture[TTx]) {
			run := f.parked("a", "b")
			f.must(f.answer(run.TaskID, "a"))
			f.clock.advance(within + time.Second)
			f.must(f.store.Sweep(f.ctx, 0))
			questions := f.claim(run.TaskID).Questions
			equal(f.T, "the answer", string(questions["a"].Response), string(yes))
			equal(f.T, "expired", questions["a"].Expired, false)
			equal(f.T, "the other one's answer", string(questions["b"].Response), "")
			equal(f.T, "the other one expired", questions["b"].Expired, true)
		}},
		{"answered after it, before the sweep", func(f *fixture[TTx]) {
			run := f.parked("a")
			f.clock.advance(within + time.Second)
			f.must(f.answer(run.TaskID, "a"))
			job := f.fresh(run.TaskID, run.JobID)
			f.must(f.store.Sweep(f.ctx, time.Hour))
			equal(f.T, "the job", f.jobOf(run.TaskID), job)
		}},
		{"a question's of a task that ended", func(f *fixture[TTx]) {
			run := f.parked("a")
			f.cancel(run.TaskID)
			f.clock.advance(within + time.Second)
			f.unchanged(run.TaskID, "a sweep", func() { f.must(f.store.Sweep(f.ctx, 0)) })
		}},
		{"against the answer", func(f *fixture[TTx]) {
			for _, run := range f.parkedAll(30, "a") {
				f.query("UPDATE {s}mcp_task_input SET deadline_at = asked_at WHERE task_id = '%s'", run.TaskID)
				f.clock.advance(time.Second)
				f.atOnce(
					func() error { return f.store.Sweep(f.ctx, ttl) },
					func() error { return f.answer(run.TaskID, "a") },
				)
				// A sweep that met the answer's lock leaves it to the next.
				f.fresh(run.TaskID, run.JobID)
				equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 2)
			}
		}},
		{"many questions'", func(f *fixture[TTx]) {
			f.parkedAll(120, "a", "b") // more than a sweep sees to before it looks again
			f.clock.advance(within + time.Second)
			f.must(f.store.Sweep(f.ctx, 0))
			equal(f.T, "the number of working tasks", f.value("SELECT count(*) FROM {s}mcp_task WHERE status = 'working'"), "120")
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "240")
		}},
		{"the task's", func(f *fixture[TTx]) {
			options := f.tool.Options
			options.Deadline = 30 * time.Minute
			f.tool = newTool("report", &options)
			begin := func() *driver.Claimed { return f.begin() }
			tasks := map[string]*driver.Claimed{"waiting": {}, "running": begin(), "parked": begin(), "retried": begin(), "completed": begin()}
			waiting := f.create(1)[0].ID
			tasks["waiting"].TaskID, tasks["waiting"].JobID = waiting, f.jobOf(waiting)
			f.startJob(tasks["running"].JobID, "n")
			f.park(tasks["parked"], "a")
			f.retry(tasks["retried"].Fence, "once")
			f.finish(tasks["completed"].Fence, result(`{}`))
			created := f.clock.now()
			equal(f.T, "the deadline", begin().DeadlineAt, created.Add(options.Deadline))

			sweep := func() { f.must(f.store.Sweep(f.ctx, ttl)) }
			f.clock.set(created.Add(options.Deadline - time.Second))
			for name, run := range tasks {
				f.clock.set(created.Add(options.Deadline - time.Second))
				f.unchanged(run.TaskID, "a sweep at the deadline of a task that is "+name, sweep)
			}
			f.clock.set(created.Add(options.Deadline + time.Microsecond))
			f.unchangedTask(tasks["completed"].TaskID, "a sweep", sweep)
			for name, run := range tasks {
				if name == "completed" {
					continue
				}
				task := f.get(run.TaskID)
				const sentence = "The task did not finish by its deadline."
				equal(f.T, name+": the status", task.Status, mcptasks.StatusFailed)
				equal(f.T, name+": the message", task.StatusMessage, sentence)
				if task.Outcome == nil || task.Outcome.Error == nil || task.Outcome.Error.Message != sentence {
					f.Errorf("%s: the outcome is %+v", name, task.Outcome)
				}
				equal(f.T, name+": the expiry", task.ExpiresAt, created.Add(ttl))
				equal(f.T, name+": the job's id", f.column(run.TaskID, "job_id"), "<nil>")
				if events := f.events(run.TaskID); len(events) == 0 || events[len(events)-1] != "failed, run "+f.column(run.TaskID, "run_seq")+" on : "+sentence {
					f.Errorf("%s: the timeline is %q", name, events)
				}
				if run.RunToken != "" {
					f.refused(run.Fence)
				}
			}
			equal(f.T, "the waiting job's state", f.job(tasks["waiting"].JobID).State, rivertype.JobStateCancelled)
			if job := f.job(tasks["running"].JobID); !containsKey(f.T, job.Metadata, "cancel_attempted_at") {
				f.Errorf("the running job's metadata is %s, want a cancel in it", job.Metadata)
			}
			for _, run := range tasks {
				f.unchanged(run.TaskID, "another sweep", sweep)
			}
		}},
		{"none", func(f *fixture[TTx]) {
			run := f.begin()
			equal(f.T, "the deadline", run.DeadlineAt, time.Time{})
			f.clock.advance(1000 * ttl)
			f.unchanged(run.TaskID, "a sweep", func() { f.must(f.store.Sweep(f.ctx, 0)) })
		}},
		{"announced", func(f *fixture[TTx]) {
			run := f.parked("a")
			f.clock.advance(within + time.Second)
			notifier := newNotifier()
			f.store = f.storeWith(f.driver, config.Config{}, notifier)
			f.must(f.store.Sweep(f.ctx, 0))
			if changed := sentBy(notifier).tasks; !slices.Equal(changed, []string{run.TaskID}) {
				f.Errorf("announced %v, want %s", changed, run.TaskID)
			}
		}},
	}
}
