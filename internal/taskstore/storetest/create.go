package storetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

func createTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"task and job", func(f *fixture[TTx]) {
			tasks := f.create(3)
			equal(f.T, "the number of tasks", len(tasks), 3)
			jobs := make(map[int64]bool)
			for _, task := range tasks {
				want := &mcptasks.Task{
					ID: task.ID, Owner: alice, Tool: "report", Status: mcptasks.StatusWorking,
					TTL: f.tool.Options.TTL, PollInterval: f.tool.Options.PollInterval,
					CreatedAt: f.clock.now(), UpdatedAt: f.clock.now(),
				}
				if !reflect.DeepEqual(task, want) {
					f.Errorf("Create returned %+v, want %+v", task, want)
				}
				if got := f.get(task.ID); !reflect.DeepEqual(got, want) {
					f.Errorf("Get returned %+v, want %+v", got, want)
				}
				job := f.job(f.jobOf(task.ID))
				if job == nil {
					f.Fatal("the task's job does not exist")
				}
				jobs[job.ID] = true
				var args riverdb.JobArgs
				f.must(json.Unmarshal(job.EncodedArgs, &args))
				equal(f.T, "the job's task", args.TaskID, task.ID)
				equal(f.T, "the job's kind", job.Kind, riverdb.JobArgs{}.Kind())
				equal(f.T, "the job's state", job.State, rivertype.JobStateAvailable)
				equal(f.T, "the job's queue", job.Queue, "reports")
				equal(f.T, "the job's priority", job.Priority, 2)
			}
			equal(f.T, "the number of jobs", len(jobs), 3)
		}},
		{"without arguments", func(f *fixture[TTx]) {
			tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{{Tool: f.tool}})
			f.must(err)
			claimed := f.claim(tasks[0].ID)
			if claimed.Owner != "" || claimed.Arguments != nil || claimed.RequestMeta != nil {
				f.Errorf("claimed %+v, want no owner, no arguments, no _meta", claimed)
			}
		}},
		{"null for none", func(f *fixture[TTx]) {
			call := f.call()
			call.Params.Arguments, call.Params.Meta = json.RawMessage(`null`), json.RawMessage(`null`)
			tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{call})
			f.must(err)
			f.claim(tasks[0].ID)
		}},
		{"in a transaction", func(f *fixture[TTx]) {
			calls := []taskstore.NewTask{f.call(), f.call()}
			f.rolledBack(func(tx TTx) error {
				_, err := f.store.CreateTx(f.ctx, tx, calls)
				return err
			})
			f.empty()

			var tasks []*mcptasks.Task
			f.must(f.driver.InTx(f.ctx, func(tx TTx) (err error) {
				tasks, err = f.store.CreateTx(f.ctx, tx, calls)
				return err
			}))
			for _, task := range tasks {
				f.claim(task.ID)
			}
		}},
		{"announced after the commit", func(f *fixture[TTx]) {
			notifier := newNotifier()
			jobs := notifier.SubscribeJobs()
			s := f.storeWith(f.driver, config.Config{}, notifier)
			_, err := s.Create(f.ctx, []taskstore.NewTask{f.call()})
			f.must(err)
			queue := f.call().Tool.Options.Queue
			if len(jobs.Ready()) == 0 || jobs.Next() != queue {
				f.Errorf("the workers of this process were not notified")
			}
			if got, want := sentBy(notifier).queues, f.sentLater(queue); !slices.Equal(got, want) {
				f.Errorf("the workers of %q were notified after the commit, want %q", got, want)
			}
		}},
		{"refused", func(f *fixture[TTx]) {
			for name, spoil := range map[string]func(*taskstore.NewTask){
				"arguments empty":          func(c *taskstore.NewTask) { c.Params.Arguments = json.RawMessage{} },
				"arguments cut off":        func(c *taskstore.NewTask) { c.Params.Arguments = json.RawMessage(`{"a":`) },
				"arguments an array":       func(c *taskstore.NewTask) { c.Params.Arguments = json.RawMessage(`[1]`) },
				"arguments a number":       func(c *taskstore.NewTask) { c.Params.Arguments = json.RawMessage(`1`) },
				"arguments not UTF-8":      func(c *taskstore.NewTask) { c.Params.Arguments = json.RawMessage("{\"a\":\"\xff\"}") },
				"arguments with a raw NUL": func(c *taskstore.NewTask) { c.Params.Arguments = json.RawMessage("{\"a\":\"\x00\"}") },
				"_meta a string":           func(c *taskstore.NewTask) { c.Params.Meta = json.RawMessage(`"a"`) },
				"_meta not JSON":           func(c *taskstore.NewTask) { c.Params.Meta = json.RawMessage(`{a}`) },
				"owner with a NUL":         func(c *taskstore.NewTask) { c.Owner = "a\x00b" },
				"owner not UTF-8":          func(c *taskstore.NewTask) { c.Owner = "a\xff" },
			} {
				bad := f.call()
				spoil(&bad)
				if _, err := f.store.Create(f.ctx, []taskstore.NewTask{f.call(), bad}); !errors.Is(err, mcptasks.ErrInvalid) {
					f.Errorf("%s: the error is %v, want %v", name, err, mcptasks.ErrInvalid)
				}
			}
			f.empty()
		}},
	}
}

// empty fails the test if there is a task or a job.
func (f *fixture[TTx]) empty() {
	f.Helper()
	equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "0")
	equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "0")
}
