package storetest

import (
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

func timeTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"microseconds in UTC", func(f *fixture[TTx]) {
			zone := time.FixedZone("somewhere", -(3*60+30)*60)
			created := time.Date(2026, 12, 31, 23, 59, 59, 123456789, zone)
			finished := time.Date(2027, 1, 1, 0, 0, 1, 999999999, zone)
			f.clock.set(created)
			run := f.begin()
			f.clock.set(finished)
			f.finish(run.Fence, result(`{}`))

			task := f.get(run.TaskID)
			equal(f.T, "CreatedAt", task.CreatedAt, time.Date(2027, 1, 1, 3, 29, 59, 123456000, time.UTC))
			equal(f.T, "FinishedAt", task.FinishedAt, time.Date(2027, 1, 1, 3, 30, 1, 999999000, time.UTC))
			equal(f.T, "UpdatedAt", task.UpdatedAt, task.FinishedAt)
			equal(f.T, "ExpiresAt", task.ExpiresAt, task.CreatedAt.Add(ttl))
		}},
		{"a clock that goes back", func(f *fixture[TTx]) {
			run := f.begin()
			f.clock.advance(-time.Hour)
			f.finish(run.Fence, result(`{}`))
			task := f.get(run.TaskID)
			equal(f.T, "the status", task.Status, mcptasks.StatusCompleted)
			equal(f.T, "the TTL", task.TTL, ttl)
		}},
		{"durations", func(f *fixture[TTx]) {
			for _, d := range []time.Duration{time.Millisecond, 90061 * time.Second, 20 * 365 * 24 * time.Hour} {
				call := f.call()
				call.Tool = newTool("report", &mcptasks.ToolOptions{TTL: d, PollInterval: d, RunTimeout: d})
				tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{call})
				f.must(err)
				task := f.get(tasks[0].ID)
				equal(f.T, "the TTL", task.TTL, d)
				equal(f.T, "the poll interval", task.PollInterval, d)
				run := f.claim(task.ID)
				equal(f.T, "the run timeout", run.RunTimeout, d)
				f.finish(run.Fence, result(`{}`))
				equal(f.T, "the TTL in the end", f.get(task.ID).TTL, max(d, retention))
			}
		}},
	}
}
