package storetest

import (
	"errors"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func claimTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"a first run", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			f.clock.advance(time.Second)
			c := f.claim(id)
			equal(f.T, "the fence", c.Fence, driver.Fence{TaskID: id, JobID: f.jobOf(id), RunToken: f.column(id, "run_token")})
			equal(f.T, "the owner", c.Owner, alice)
			equal(f.T, "the tool", c.Tool, "report")
			equal(f.T, "the arguments", string(c.Arguments), `{"year":2026}`)
			equal(f.T, "the _meta", string(c.RequestMeta), `{"progressToken":7}`)
			equal(f.T, "the run", c.RunSeq, 1)
			equal(f.T, "its node", f.column(id, "run_node"), here)
			equal(f.T, "the attempts", c.Attempts, 0)
			equal(f.T, "the limit of attempts", c.MaxAttempts, 3)
			equal(f.T, "the limit of time", c.RunTimeout, 90*time.Second)
			equal(f.T, "the number of steps", len(c.Steps), 0)
			equal(f.T, "the status", f.get(id).Status, mcptasks.StatusWorking)
			equal(f.T, "the time of change", f.get(id).UpdatedAt, f.clock.now())
		}},
		{"each run has its token", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			tokens := make(map[string]bool)
			for n := 1; n <= 3; n++ {
				c := f.claim(id)
				equal(f.T, "the run", c.RunSeq, n)
				tokens[c.RunToken] = true
			}
			equal(f.T, "the number of tokens", len(tokens), 3)
		}},
		{"with the steps of earlier runs", func(f *fixture[TTx]) {
			run, other := f.begin(), f.begin()
			for _, key := range []string{"a", "b", ""} {
				f.saveStep(run.Fence, key, `"`+key+`"`)
			}
			f.saveStep(other.Fence, "c", `1`)
			steps := make(map[string]string)
			for key, result := range f.claim(run.TaskID).Steps {
				steps[key] = string(result)
			}
			if want := map[string]string{"a": `"a"`, "b": `"b"`, "": `""`}; !maps.Equal(steps, want) {
				f.Errorf("the steps are %v, want %v", steps, want)
			}
		}},
		{"not this job's", func(f *fixture[TTx]) {
			tasks := f.create(2)
			completed, cancelled := f.begin(), f.begin()
			f.finish(completed.Fence, result(`{}`))
			f.cancel(cancelled.TaskID)
			for name, tc := range map[string]driver.Fence{
				"unknown":            {TaskID: taskstore.NewID(f.clock.now()), JobID: f.jobOf(tasks[0].ID)},
				"another task's job": {TaskID: tasks[0].ID, JobID: f.jobOf(tasks[1].ID)},
				"no job":             {TaskID: tasks[0].ID},
				"completed":          completed.Fence,
				"cancelled":          cancelled.Fence,
			} {
				f.unchanged(tc.TaskID, name, func() {
					claimed, err := f.store.Claim(f.ctx, tc.TaskID, tc.JobID, f.tools, here)
					if claimed != nil || err != nil {
						f.Errorf("%s: claimed %+v, %v, want nothing", name, claimed, err)
					}
				})
			}
		}},
		{"another tool's", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			for _, tools := range [][]string{nil, {}, {"other"}, {"Report", "report ", "repor", `re"port`}} {
				f.unchanged(id, "a claim for other tools", func() {
					claimed, err := f.store.Claim(f.ctx, id, f.jobOf(id), tools, here)
					if claimed != nil || !errors.Is(err, mcptasks.ErrUnknownTool) {
						f.Errorf("of %q claimed %+v, %v, want %v", tools, claimed, err, mcptasks.ErrUnknownTool)
					}
				})
			}
		}},
		{"tools of any name", func(f *fixture[TTx]) {
			for _, name := range []string{`a"b\c'd`, "<&>", "日本 \U0001F600", "a,b", "{x}", "NULL"} {
				tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{{Tool: &mcptasks.Tool{Name: name, Options: f.tool.Options}}})
				f.must(err)
				claimed, err := f.store.Claim(f.ctx, tasks[0].ID, f.jobOf(tasks[0].ID), []string{"x", name}, here)
				if err != nil || claimed == nil || claimed.Tool != name {
					f.Errorf("claimed %+v, %v, want a task of tool %q", claimed, err, name)
				}
			}
		}},
		{"many at once", func(f *fixture[TTx]) {
			tasks := f.create(3)
			f.cancel(tasks[1].ID)
			var claims []driver.Fence
			for _, task := range tasks {
				claims = append(claims, driver.Fence{TaskID: task.ID, JobID: f.jobOf(task.ID), RunToken: uuid.NewString()})
			}
			claimed, err := f.driver.Claim(f.ctx, claims, f.tools, here, f.clock.now())
			f.must(err)
			got := make(map[string]string)
			for _, c := range claimed {
				got[c.TaskID] = c.RunToken
			}
			if want := map[string]string{tasks[0].ID: claims[0].RunToken, tasks[2].ID: claims[2].RunToken}; !maps.Equal(got, want) {
				f.Errorf("claimed %v, want %v", got, want)
			}
		}},
		{"none", func(f *fixture[TTx]) {
			f.begin()
			claimed, err := f.driver.Claim(f.ctx, nil, f.tools, here, f.clock.now())
			if len(claimed) != 0 || err != nil {
				f.Errorf("claimed %v, %v, want nothing", claimed, err)
			}
			for _, write := range []func() ([]string, error){
				func() ([]string, error) { return f.driver.Report(f.ctx, nil, f.clock.now()) },
				func() ([]string, error) { return f.driver.FailAttempts(f.ctx, nil, f.clock.now()) },
				func() ([]string, error) {
					held, _, err := f.driver.Finish(f.ctx, nil, f.clock.now(), retention)
					return held, err
				},
			} {
				if held, err := write(); len(held) != 0 || err != nil {
					f.Errorf("wrote %q, %v, want nothing", held, err)
				}
			}
			f.must(f.driver.Insert(f.ctx, nil))
			f.must(f.driver.InTx(f.ctx, func(tx TTx) error { return f.driver.InsertTx(f.ctx, tx, nil) }))
		}},
	}
}
