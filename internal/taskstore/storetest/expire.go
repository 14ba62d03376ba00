package storetest

import (
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func expireTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"live tasks never", func(f *fixture[TTx]) {
			waiting, running, parked := f.create(1)[0].ID, f.begin().TaskID, f.parked("a").TaskID
			f.query("UPDATE {s}mcp_task_input SET deadline_at = (SELECT max(created_at) FROM {s}mcp_task)")
			f.query("UPDATE {s}mcp_task_input SET answered_at = asked_at, response = '%s'", no)
			f.query("UPDATE {s}mcp_task SET status = 'working', job_id = (SELECT max(id) FROM {s}river_job) WHERE id = '%s'", parked)
			f.clock.advance(1000 * ttl)
			for _, id := range []string{waiting, running, parked} {
				f.unchangedTask(id, "a sweep", func() { f.must(f.store.Sweep(f.ctx, 2000*ttl)) })
			}
		}},
		{"with all their rows", func(f *fixture[TTx]) {
			// full is an ended task with rows of every kind.
			full := func() string {
				run := f.parked("a", "b")
				f.must(f.answer(run.TaskID, "a", "b"))
				run = f.claim(run.TaskID)
				f.saveStep(run.Fence, "a", `1`)
				f.retry(run.Fence, "once")
				f.finish(f.claim(run.TaskID).Fence, result(`{}`))
				return run.TaskID
			}
			for range 3 {
				full()
			}
			f.clock.advance(ttl)
			kept, live, openQuestion := full(), f.begin(), f.parked("a")
			f.saveStep(live.Fence, "a", `1`)
			f.clock.advance(-time.Second - time.Microsecond)
			f.unchanged(kept, "a sweep before any expires", func() { f.must(f.store.Sweep(f.ctx, ttl)) })
			f.clock.advance(time.Microsecond) // at expiry
			read := func() string { return f.rows(kept) + f.rows(live.TaskID) + f.rows(openQuestion.TaskID) }
			f.clock.advance(-time.Second)
			f.sameAfter(read, "a sweep", func() { f.must(f.store.Sweep(f.ctx, ttl)) })
			for table, want := range map[string]string{"mcp_task": "3", "mcp_task_input": "3", "mcp_task_step": "2", "mcp_task_event": "3"} {
				column := "task_id"
				if table == "mcp_task" {
					column = "id"
				}
				equal(f.T, "the number of rows of "+table, f.value("SELECT count(%s) FROM {s}%s", column, table), want)
			}
			f.get(kept)
		}},
		{"in batches", func(f *fixture[TTx]) {
			for range 5 {
				f.finish(f.begin().Fence, result(`{}`))
				f.clock.advance(time.Second)
			}
			f.clock.advance(2 * ttl)
			for _, want := range []int{2, 2, 1, 0} {
				n, err := f.driver.DeleteExpired(f.ctx, f.clock.now(), 2)
				f.must(err)
				equal(f.T, "the number of deleted tasks", n, want)
			}
		}},
		{"many", func(f *fixture[TTx]) {
			live := f.create(1)[0].ID
			const columns = "owner, tool, queue, priority, ttl, poll_interval, max_attempts, run_timeout, created_at, updated_at"
			f.query(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2100)
				INSERT INTO {s}mcp_task (id, status, finished_at, expires_at, %s)
				SELECT 'copy ' || i, 'cancelled', created_at, created_at, %s FROM {s}mcp_task, n`, columns, columns)
			f.must(f.store.Sweep(f.ctx, ttl))
			equal(f.T, "the task that is left", f.value("SELECT id FROM {s}mcp_task"), live)
		}},
		{"locked", func(f *fixture[TTx]) {
			if f.exclusive() {
				return
			}
			locked, other := f.begin(), f.begin()
			f.finish(locked.Fence, result(`{}`))
			f.finish(other.Fence, result(`{}`))
			f.clock.advance(2 * ttl)
			f.must(f.inTx(func(tx TTx) error {
				if _, err := f.driver.Lock(f.ctx, tx, locked.TaskID, false); err != nil {
					return err
				}
				f.must(f.store.Sweep(f.ctx, ttl))
				return nil
			}))
			equal(f.T, "the task that is left", f.value("SELECT id FROM {s}mcp_task"), locked.TaskID)
			f.must(f.store.Sweep(f.ctx, ttl))
			equal(f.T, "the number of tasks", f.value("SELECT count(*) FROM {s}mcp_task"), "0")
		}},
		{"the reported TTL", func(f *fixture[TTx]) {
			run := f.begin()
			f.clock.advance(3 * ttl)
			f.finish(run.Fence, result(`{}`))
			const want = 3*ttl + retention
			equal(f.T, "Get's", f.get(run.TaskID).TTL, want)
			page, err := f.store.List(f.ctx, alice, "", 0)
			f.must(err)
			equal(f.T, "List's", page.Tasks[0].TTL, want)
			shown, err := f.store.Operator().Show(f.ctx, run.TaskID)
			f.must(err)
			equal(f.T, "Show's", shown.TTL, want)
			task, err := f.store.Cancel(f.ctx, alice, run.TaskID)
			f.wantError(err, mcptasks.ErrTerminal)
			equal(f.T, "Cancel's", task.TTL, want)
			call := f.keyed("k")
			keyed := f.claim(f.make(call).ID)
			f.clock.advance(3 * ttl)
			f.finish(keyed.Fence, result(`{}`))
			equal(f.T, "Create's", f.make(call).TTL, want)
		}},
		{"the minimum retention", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MinRetention: 2 * ttl})
			for name, end := range map[string]func(*driver.Claimed){
				"finish": func(run *driver.Claimed) { f.finish(run.Fence, result(`{}`)) },
				"cancel": func(run *driver.Claimed) { f.cancel(run.TaskID) },
			} {
				run := f.begin()
				f.clock.advance(time.Hour)
				end(run)
				equal(f.T, "the expiry after "+name, f.get(run.TaskID).ExpiresAt, f.clock.now().Add(2*ttl))
			}
		}},
	}
}
