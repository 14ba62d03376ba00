package storetest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func limitTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"steps", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxSteps: 2})
			run := f.begin()
			f.saveStep(run.Fence, "a", `1`)
			f.saveStep(run.Fence, "b", `2`)
			f.unchanged(run.TaskID, "a step over the limit", func() {
				_, _, err := f.store.SaveStep(f.ctx, driver.Step{Fence: run.Fence, Key: "c", Result: json.RawMessage(`3`)})
				f.wantText(err, mcptasks.ErrInvalid, "2 steps")
				equal(f.T, "the result of a known one", f.saveStep(run.Fence, "b", `4`), `2`)
			})
			f.saveStep(f.begin().Fence, "c", `3`)
			f.finish(run.Fence, result(`{}`))
		}},
		{"live tasks", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxLiveTasks: 3})
			parked, run := f.parked("a"), f.begin()
			f.create(1)
			over := func() {
				f.Helper()
				jobs := f.value("SELECT count(*) FROM {s}river_job")
				_, err := f.store.Create(f.ctx, []taskstore.NewTask{f.call()})
				f.wantText(err, mcptasks.ErrLimit, "3 tasks", "allows 3")
				equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), jobs)
			}
			over()
			call := f.call()
			call.Owner = bob
			_, err := f.store.Create(f.ctx, []taskstore.NewTask{call})
			f.must(err)
			f.finish(run.Fence, result(`{}`))
			f.create(1)
			over()
			f.cancel(parked.TaskID)
			f.create(1)
			over()
		}},
		{"backlog", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxBacklog: 2})
			run := f.begin()
			parked := f.parked("a")
			waiting := f.create(1)[0].ID
			f.create(1)
			over := func() {
				f.Helper()
				_, err := f.store.Create(f.ctx, []taskstore.NewTask{f.call()})
				f.wantText(err, mcptasks.ErrLimit, "2 tasks wait", "allows 2")
			}
			over()
			other := f.call()
			other.Tool = newTool("report", &mcptasks.ToolOptions{Queue: "elsewhere"})
			_, err := f.store.Create(f.ctx, []taskstore.NewTask{other})
			f.must(err)
			f.cancel(waiting)
			f.create(1)
			over()
			f.must(f.answer(parked.TaskID, "a")) // waits again
			f.finish(run.Fence, result(`{}`))
			f.claim(parked.TaskID)
			over()
		}},
		{"arguments", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxArgumentBytes: 100})
			call := f.call()
			call.Params.Arguments = json.RawMessage(fmt.Sprintf(`{"a":"%s"}`, strings.Repeat("x", 92)))
			_, err := f.store.Create(f.ctx, []taskstore.NewTask{call})
			f.must(err)
			before := f.value("SELECT count(*) FROM {s}mcp_task")
			call.Params.Arguments = json.RawMessage(fmt.Sprintf(`{"a":"%s"}`, strings.Repeat("x", 93)))
			_, err = f.store.Create(f.ctx, []taskstore.NewTask{f.call(), call})
			f.wantText(err, mcptasks.ErrLimit, "101 bytes", "at most 100")
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), before)
		}},
		{"no limit is the default", func(f *fixture[TTx]) {
			for range 3 {
				f.create(20)
			}
		}},
		{"a call that was made before", func(f *fixture[TTx]) {
			// Its task may be the very one that fills the limit.
			for _, cfg := range []config.Config{{MaxLiveTasks: 1}, {MaxBacklog: 1}} {
				f.store = f.newStore(cfg)
				call := f.keyed(fmt.Sprint(cfg.MaxLiveTasks))
				call.Owner = mcptasks.Owner(fmt.Sprint("owner", cfg.MaxLiveTasks))
				first := f.make(call)
				equal(f.T, "the second's task", f.make(call).ID, first.ID)
				call.Params.IdempotencyKey = "another"
				f.unchanged(first.ID, "a call over the limit, in a transaction that goes on", func() {
					tasks := f.value("SELECT count(*) FROM {s}mcp_task")
					f.wantError(f.inTx(func(tx TTx) error {
						_, err := f.store.CreateTx(f.ctx, tx, []taskstore.NewTask{call})
						return err
					}), mcptasks.ErrLimit)
					equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), tasks)
				})
				f.must(f.store.Operator().Cancel(f.ctx, first.ID))
			}
		}},
	}
}
