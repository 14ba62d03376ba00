package storetest

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

func idempotencyTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"the first task", func(f *fixture[TTx]) {
			options := f.tool.Options
			options.Deadline = time.Hour
			f.tool = newTool("report", &options)
			first := f.make(f.keyed("k"))
			want := &mcptasks.Task{
				ID: first.ID, Owner: alice, Tool: "report", Status: mcptasks.StatusWorking,
				TTL: ttl, PollInterval: f.tool.Options.PollInterval, CreatedAt: f.clock.now(), UpdatedAt: f.clock.now(),
			}
			for _, got := range []*mcptasks.Task{first, f.get(first.ID), f.make(f.keyed("k"))} {
				if !reflect.DeepEqual(got, want) {
					f.Errorf("the task is %+v, want %+v", got, want)
				}
			}
			job := f.fresh(first.ID, 0)
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "1")
			run := f.claim(first.ID)
			equal(f.T, "the job", run.JobID, job)
			equal(f.T, "the arguments", string(run.Arguments), `{"year":2026}`)
			equal(f.T, "the _meta", string(run.RequestMeta), `{"progressToken":7}`)
			equal(f.T, "the limit of attempts", run.MaxAttempts, 3)
			equal(f.T, "the limit of time", run.RunTimeout, 90*time.Second)
			equal(f.T, "the deadline", run.DeadlineAt, f.clock.now().Add(time.Hour))
			f.finish(run.Fence, result(`{"a":1}`))
			ended := f.make(f.keyed("k"))
			equal(f.T, "the ended task", ended.ID, first.ID)
			equal(f.T, "its status", ended.Status, mcptasks.StatusCompleted)
		}},
		{"the same arguments", func(f *fixture[TTx]) {
			for _, same := range [][]string{
				{`{"a":1,"b":{"c":[1,2],"d":null}}`, `{"b":{"d":null,"c":[1,2]},"a":1}`, " {\n\"b\" : {\"c\":[1, 2],\"d\":null},\t\"a\":1 } ", `{"\u0061":1,"b":{"c":[1,2],"d":null}}`},
				{``, `{}`, ` { } `},
				{`{"n":9007199254740993}`, `{"n": 9007199254740993}`},
			} {
				var first string
				for i, arguments := range same {
					task := f.make(f.keyedWith(same[0], arguments))
					if i == 0 {
						first = task.ID
					}
					equal(f.T, "the task of "+arguments, task.ID, first)
				}
			}
		}},
		{"other arguments", func(f *fixture[TTx]) {
			const arguments = `{"a":1,"list":[1,2],"n":9007199254740993}`
			first := f.make(f.keyedWith("k", arguments))
			for _, other := range []string{
				``, `{}`, `{"a":2,"list":[1,2],"n":9007199254740993}`, `{"a":"1","list":[1,2],"n":9007199254740993}`,
				`{"a":1,"list":[2,1],"n":9007199254740993}`, `{"a":1,"list":[1,2],"n":9007199254740992}`, `{"A":1,"list":[1,2],"n":9007199254740993}`,
			} {
				f.unchanged(first.ID, "a call with other arguments", func() {
					_, err := f.store.Create(f.ctx, []taskstore.NewTask{f.call(), f.keyedWith("k", other)})
					f.wantText(err, mcptasks.ErrInvalid, "other arguments")
				})
			}
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "1")
		}},
		{"another's key", func(f *fixture[TTx]) {
			first := f.make(f.keyed("k"))
			calls := map[string]taskstore.NewTask{"another owner": f.keyed("k"), "nobody": f.keyed("k"), "another tool": f.keyed("k"), "another key": f.keyed("K"), "no key": f.call()}
			for name, call := range calls {
				switch name {
				case "another owner":
					call.Owner = bob
				case "nobody":
					call.Owner = ""
				case "another tool":
					call.Tool = newTool("other", nil)
				}
				if task := f.make(call); task.ID == first.ID {
					f.Errorf("%s got the first task", name)
				}
			}
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "6")
		}},
		{"an expired task's", func(f *fixture[TTx]) {
			first := f.make(f.keyed("k"))
			f.finish(f.claim(first.ID).Fence, result(`{}`))
			f.clock.set(f.get(first.ID).ExpiresAt.Add(-time.Microsecond))
			equal(f.T, "before it expires", f.make(f.keyed("k")).ID, first.ID)
			f.clock.advance(time.Microsecond)
			call := f.keyed("k")
			call.Params.Arguments = json.RawMessage(`{"year":2027}`)
			second := f.make(call)
			if second.ID == first.ID {
				f.Error("an expired task was returned")
			}
			f.must(f.store.Sweep(f.ctx, 0))
			equal(f.T, "the task after the sweep", f.make(call).ID, second.ID)
			f.claim(second.ID)
		}},
		{"twice in one call", func(f *fixture[TTx]) {
			tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{f.keyed("k"), f.call(), f.keyed("k")})
			f.must(err)
			equal(f.T, "the third's task", tasks[2].ID, tasks[0].ID)
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "2")
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "2")
			f.claim(tasks[0].ID)
			f.claim(tasks[1].ID)
		}},
		{"two at once", func(f *fixture[TTx]) {
			other := f.storeOn(f.again(), config.Config{})
			for n := range 50 {
				call := f.keyed(strings.Repeat("k", n+1))
				var ids [2]string
				create := func(s *taskstore.Store[TTx], id *string) func() error {
					return func() error {
						tasks, err := s.Create(f.ctx, []taskstore.NewTask{call})
						if err == nil {
							*id = tasks[0].ID
						}
						return err
					}
				}
				f.atOnce(create(f.store, &ids[0]), create(other, &ids[1]))
				equal(f.T, "the second's task", ids[1], ids[0])
				equal(f.T, "the number of its jobs", len(f.jobsOf(ids[0])), 1)
				f.claim(ids[0])
			}
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "50")
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "50")
		}},
		{"in a transaction", func(f *fixture[TTx]) {
			f.rolledBack(func(tx TTx) error {
				_, err := f.store.CreateTx(f.ctx, tx, []taskstore.NewTask{f.keyed("k")})
				return err
			})
			f.empty()
			var first, second []*mcptasks.Task
			f.must(f.inTx(func(tx TTx) (err error) {
				if first, err = f.store.CreateTx(f.ctx, tx, []taskstore.NewTask{f.keyed("k")}); err != nil {
					return err
				}
				second, err = f.store.CreateTx(f.ctx, tx, []taskstore.NewTask{f.keyed("k")})
				return err
			}))
			equal(f.T, "the second's task", second[0].ID, first[0].ID)
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "1")
			f.claim(first[0].ID)
		}},
		{"keys", func(f *fixture[TTx]) {
			ids := make(map[string]bool)
			keys := []string{"k", "K", "k ", "é", "e\u0301", "日本 \U0001F600", `'"\`, "%", strings.Repeat("k", 1024)}
			for _, key := range keys {
				task := f.make(f.keyed(key))
				ids[task.ID] = true
				equal(f.T, "the task again", f.make(f.keyed(key)).ID, task.ID)
			}
			equal(f.T, "the number of tasks", len(ids), len(keys))
			for _, key := range []string{"k\x00", "k\xff", strings.Repeat("k", 1025)} {
				_, err := f.store.Create(f.ctx, []taskstore.NewTask{f.keyed(key)})
				f.wantError(err, mcptasks.ErrInvalid)
			}
		}},
	}
}

// keyed is a call under an idempotency key.
func (f *fixture[TTx]) keyed(key string) taskstore.NewTask {
	call := f.call()
	call.Params.IdempotencyKey = key
	return call
}

func (f *fixture[TTx]) keyedWith(key, arguments string) taskstore.NewTask {
	call := f.keyed("key " + key)
	call.Params.Arguments = nil
	if arguments != "" {
		call.Params.Arguments = json.RawMessage(arguments)
	}
	return call
}

// make creates the one task of the call.
func (f *fixture[TTx]) make(call taskstore.NewTask) *mcptasks.Task {
	f.Helper()
	tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{call})
	f.must(err)
	return tasks[0]
}
