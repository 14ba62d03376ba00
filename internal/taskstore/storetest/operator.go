package storetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func operatorTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"list", func(f *fixture[TTx]) {
			list := func(query taskstore.Query, want ...*driver.Claimed) {
				f.Helper()
				var got, wanted []string
				for cursor := ""; ; {
					page, err := f.store.Operator().List(f.ctx, query, cursor, 2)
					f.must(err)
					got = append(got, ids(page.Tasks)...)
					if cursor = page.Next; cursor == "" {
						break
					}
				}
				for _, run := range want {
					wanted = append(wanted, run.TaskID)
				}
				if !slices.Equal(got, wanted) {
					f.Errorf("%+v lists %q, want %q", query, got, wanted)
				}
			}
			of := func(owner mcptasks.Owner, tool string) *driver.Claimed {
				call := f.call()
				call.Owner = owner
				call.Tool = newTool(tool, nil)
				run := f.claim(f.make(call).ID)
				f.clock.advance(time.Minute)
				return run
			}
			whose := func(owner mcptasks.Owner) *mcptasks.Owner { return &owner }
			ended, parked, bobs, nobodys, other := of(alice, "report"), of(alice, "report"), of(bob, "report"), of("", "report"), of(alice, "other")
			f.finish(ended.Fence, result(`{}`))
			f.park(parked, "a")
			list(taskstore.Query{}, other, nobodys, bobs, parked, ended)
			list(taskstore.Query{Owner: whose(alice)}, other, parked, ended)
			list(taskstore.Query{Owner: whose(bob)}, bobs)
			list(taskstore.Query{Owner: whose("")}, nobodys)
			list(taskstore.Query{Owner: whose("carol")})
			list(taskstore.Query{Status: mcptasks.StatusWorking}, other, nobodys, bobs)
			list(taskstore.Query{Status: mcptasks.StatusInputRequired}, parked)
			list(taskstore.Query{Status: mcptasks.StatusFailed})
			list(taskstore.Query{Tool: "other"}, other)
			list(taskstore.Query{Owner: whose(alice), Tool: "report", Status: mcptasks.StatusCompleted}, ended)
			list(taskstore.Query{MinAge: 3*time.Minute - time.Second}, bobs, parked, ended)
			list(taskstore.Query{MinAge: 3*time.Minute + time.Second}, parked, ended)
			list(taskstore.Query{MinAge: time.Hour})
			list(taskstore.Query{MinAge: 2 * time.Minute, Status: mcptasks.StatusWorking}, bobs)
			list(taskstore.Query{MaxAge: 3 * time.Minute}, other, nobodys, bobs)
			list(taskstore.Query{MaxAge: 3*time.Minute - time.Second}, other, nobodys)
			list(taskstore.Query{MinAge: 2*time.Minute - time.Second, MaxAge: 4 * time.Minute, Owner: whose(alice)}, parked)
			f.clock.advance(2 * ttl)
			list(taskstore.Query{Owner: whose(alice)}, other, parked)
		}},
		{"answer", func(f *fixture[TTx]) {
			run := f.parked("a", "b")
			f.must(f.store.Operator().Answer(f.ctx, run.TaskID, answers("a")))
			f.wantOpen(run.TaskID, "b")
			f.unchanged(run.TaskID, "a malformed answer", func() {
				err := f.store.Operator().Answer(f.ctx, run.TaskID, map[string]json.RawMessage{"b": json.RawMessage(`{}`)})
				f.wantText(err, mcptasks.ErrInvalid, `"b"`)
			})
			f.must(f.store.Operator().Answer(f.ctx, run.TaskID, answers("b")))
			f.fresh(run.TaskID, run.JobID)
		}},
		{"cancel", func(f *fixture[TTx]) {
			run := f.begin()
			f.must(f.store.Operator().Cancel(f.ctx, run.TaskID))
			equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusCancelled)
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateCancelled)
			if got, want := f.events(run.TaskID), []string{"cancelled, run 1 on : by an operator"}; !slices.Equal(got, want) {
				f.Errorf("the timeline is %q, want %q", got, want)
			}
			f.unchanged(run.TaskID, "another cancel", func() {
				f.wantError(f.store.Operator().Cancel(f.ctx, run.TaskID), mcptasks.ErrTerminal)
			})
		}},
		{"delete", func(f *fixture[TTx]) {
			run, parked, other := f.begin(), f.parked("a"), f.begin()
			f.saveStep(run.Fence, "a", `1`)
			f.saveStep(other.Fence, "a", `1`)
			for _, id := range []string{run.TaskID, parked.TaskID} {
				f.unchanged(id, "a delete of a live task", func() {
					f.wantError(f.store.Operator().Delete(f.ctx, id), mcptasks.ErrConflict)
				})
			}
			f.finish(run.Fence, result(`{}`))
			f.unchangedTask(other.TaskID, "a delete of another", func() { f.must(f.store.Operator().Delete(f.ctx, run.TaskID)) })
			_, err := f.store.Get(f.ctx, alice, run.TaskID)
			f.wantError(err, mcptasks.ErrNotFound)
			f.must(f.store.Operator().Cancel(f.ctx, parked.TaskID))
			f.must(f.store.Operator().Delete(f.ctx, parked.TaskID))
			equal(f.T, "the number of steps", f.value("SELECT count(*) FROM {s}mcp_task_step"), "1")
			equal(f.T, "the number of questions", f.value("SELECT count(*) FROM {s}mcp_task_input"), "0")
			equal(f.T, "the number of events", f.value("SELECT count(*) FROM {s}mcp_task_event"), "0")
		}},
		{"retry", func(f *fixture[TTx]) {
			first := f.claim(f.make(f.keyed("k")).ID)
			f.unchanged(first.TaskID, "a retry of a live task", func() {
				_, err := f.store.Operator().Retry(f.ctx, first.TaskID)
				f.wantError(err, mcptasks.ErrConflict)
			})
			f.finish(first.Fence, failure.Outcome("no"))
			var again *mcptasks.Task
			f.unchangedTask(first.TaskID, "a retry", func() {
				var err error
				again, err = f.store.Operator().Retry(f.ctx, first.TaskID)
				f.must(err)
			})
			if again.ID == first.TaskID {
				f.Fatal("the retry is the same task")
			}
			if got := f.get(again.ID); !reflect.DeepEqual(got, again) {
				f.Errorf("the task is %+v, want %+v", got, again)
			}
			f.fresh(again.ID, first.JobID)
			equal(f.T, "retry_of", f.column(again.ID, "retry_of"), first.TaskID)
			equal(f.T, "the first one's", f.column(first.TaskID, "retry_of"), "<nil>")
			run := f.claim(again.ID)
			equal(f.T, "the owner", run.Owner, alice)
			equal(f.T, "the tool", run.Tool, "report")
			equal(f.T, "the arguments", string(run.Arguments), `{"year":2026}`)
			equal(f.T, "the _meta", string(run.RequestMeta), `{"progressToken":7}`)
			equal(f.T, "the attempts", run.Attempts, 0)
			equal(f.T, "the run", run.RunSeq, 1)
			equal(f.T, "the key's task", f.make(f.keyed("k")).ID, first.TaskID)
		}},
		{"retry by the record alone", func(f *fixture[TTx]) {
			// The tool is nobody's any more, or has other options by now.
			call := f.call()
			call.Tool = newTool("former", &mcptasks.ToolOptions{
				TTL: ttl, PollInterval: 1500 * time.Millisecond, RunTimeout: 90 * time.Second,
				MaxAttempts: 3, Queue: "former", Priority: 3, Deadline: 2 * time.Hour,
			})
			call.Params.TTL = 30 * time.Minute
			first := f.make(call)
			f.clock.advance(3 * time.Hour)
			f.cancel(first.ID)
			created := f.clock.now()
			again, err := f.store.Operator().Retry(f.ctx, first.ID)
			f.must(err)
			want := &mcptasks.Task{
				ID: again.ID, Owner: alice, Tool: "former", Status: mcptasks.StatusWorking,
				TTL: 30 * time.Minute, PollInterval: 1500 * time.Millisecond, CreatedAt: created, UpdatedAt: created,
			}
			if !reflect.DeepEqual(again, want) {
				f.Errorf("the task is %+v, want %+v", again, want)
			}
			job := f.job(f.jobOf(again.ID))
			equal(f.T, "the job's queue", job.Queue, "former")
			equal(f.T, "the job's priority", job.Priority, 3)
			run, err := f.store.Claim(f.ctx, again.ID, job.ID, []string{"former"}, here)
			f.must(err)
			equal(f.T, "the limit of attempts", run.MaxAttempts, 3)
			equal(f.T, "the limit of time", run.RunTimeout, 90*time.Second)
			equal(f.T, "the deadline", run.DeadlineAt, created.Add(2*time.Hour))
			f.store = f.newStore(config.Config{MaxLiveTasks: 1})
			_, err = f.store.Operator().Retry(f.ctx, first.ID)
			f.wantError(err, mcptasks.ErrLimit)
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "2")
		}},
		{"get", func(f *fixture[TTx]) {
			run := f.begin()
			get := func() *mcptasks.Task {
				task, err := f.store.Operator().Get(f.ctx, run.TaskID)
				f.must(err)
				return task
			}
			f.park(run, "a")
			if task := f.get(run.TaskID); !reflect.DeepEqual(get(), task) {
				f.Errorf("the task is %+v, want %+v", get(), task)
			}
			f.must(f.answer(run.TaskID, "a"))
			f.deleteJob(f.jobOf(run.TaskID))
			f.clock.advance(settled + time.Second)
			get() // repairs, as any poll does
			f.fresh(run.TaskID, run.JobID)
			f.cancel(run.TaskID)
			f.clock.advance(2 * ttl) // expired, and not yet deleted
			equal(f.T, "the expired one's status", get().Status, mcptasks.StatusCancelled)
		}},
		{"unknown", func(f *fixture[TTx]) {
			operator := f.store.Operator()
			for way, ask := range map[string]func(string) error{
				"Get":    func(id string) error { _, err := operator.Get(f.ctx, id); return err },
				"Show":   func(id string) error { _, err := operator.Show(f.ctx, id); return err },
				"Answer": func(id string) error { return operator.Answer(f.ctx, id, answers("a")) },
				"Cancel": func(id string) error { return operator.Cancel(f.ctx, id) },
				"Delete": func(id string) error { return operator.Delete(f.ctx, id) },
				"Retry":  func(id string) error { _, err := operator.Retry(f.ctx, id); return err },
			} {
				for _, id := range []string{"", "\x00", "\xff", taskstore.NewID(f.clock.now())} {
					if err := ask(id); !errors.Is(err, mcptasks.ErrNotFound) {
						f.Errorf("%s of %q: the error is %v, want %v", way, id, err, mcptasks.ErrNotFound)
					}
				}
			}
		}},
		{"announced", func(f *fixture[TTx]) {
			run := f.parked("a")
			changed := f.notified(run.TaskID)
			operator := f.store.Operator()
			_, err := operator.Show(f.ctx, run.TaskID)
			f.must(err)
			f.must(operator.Answer(f.ctx, run.TaskID, nil))
			changed.want("a read, and no answer", false)
			f.must(operator.Answer(f.ctx, run.TaskID, answers("a")))
			changed.want("an answer", true)
			f.must(operator.Cancel(f.ctx, run.TaskID))
			changed.want("a cancel", true)
			_, err = operator.Retry(f.ctx, run.TaskID)
			f.must(err)
			changed.want("a retry, of the new task", false)
			f.must(operator.Delete(f.ctx, run.TaskID))
			changed.want("a delete", true)
		}},
	}
}
