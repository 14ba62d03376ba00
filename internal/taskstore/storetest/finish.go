package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func finishTests[TTx any]() []test[TTx] {
	outcomes := map[string]*mcptasks.Outcome{
		"completed": result(`{"content":[{"type":"text","text":"42"}]}`),
		"isError":   {Result: json.RawMessage(`{"content":[],"isError":true}`), IsError: true},
		"failed": {Error: &jsonrpc.Error{
			Code: -32042, Message: "no such year", Data: json.RawMessage(`{"year":[2026,1e400,"\u0000"]}`),
		}},
		"failed, no data": failure.Outcome("The tool stopped unexpectedly."),
	}
	tests := []test[TTx]{
		{"with an event", func(f *fixture[TTx]) {
			run := f.begin()
			held, err := f.store.Finish(f.ctx, run.Fence, run.Tool, result(`{}`), driver.Event{Kind: driver.EventError, Node: "n", Detail: "a\x00"})
			f.must(err)
			equal(f.T, "held", held, true)
			if got, want := f.events(run.TaskID), []string{"error, run 1 on n: a\uFFFD"}; !slices.Equal(got, want) {
				f.Errorf("the timeline is %q, want %q", got, want)
			}
		}},
		{"at the limit", func(f *fixture[TTx]) {
			run := f.begin()
			atLimit := `"` + strings.Repeat("a", 8<<20-2) + `"`
			f.finish(run.Fence, result(atLimit))
			task := f.get(run.TaskID)
			equal(f.T, "the status", task.Status, mcptasks.StatusCompleted)
			if string(task.Outcome.Result) != atLimit {
				f.Errorf("the result is %d bytes long, want the %d there were", len(task.Outcome.Result), len(atLimit))
			}
		}},
		{"over the limit", func(f *fixture[TTx]) {
			run := f.begin()
			f.finish(run.Fence, result(`"`+strings.Repeat("a", 8<<20-1)+`"`))
			task := f.get(run.TaskID)
			equal(f.T, "the status", task.Status, mcptasks.StatusFailed)
			limit := fmt.Sprint(8 << 20)
			if task.Outcome == nil || task.Outcome.Error == nil || !strings.Contains(task.Outcome.Error.Message, limit) {
				f.Errorf("the outcome is %+v, want an error that names the limit of %s", task.Outcome, limit)
			}
			equal(f.T, "the message", task.StatusMessage, task.Outcome.Error.Message)
			if events := f.events(run.TaskID); len(events) != 1 || !strings.Contains(events[0], limit) {
				f.Errorf("the timeline is %q, want one entry that names the limit of %s", events, limit)
			}
		}},
		{"the text of an error is cleaned", func(f *fixture[TTx]) {
			run := f.begin()
			f.finish(run.Fence, &mcptasks.Outcome{Error: &jsonrpc.Error{Code: 1, Message: "a\x00b\xff"}})
			equal(f.T, "the message", f.get(run.TaskID).StatusMessage, "a\uFFFDb\uFFFD")
		}},
		{"the rows of a run stay", func(f *fixture[TTx]) {
			run := f.begin()
			f.retry(run.Fence, "once")
			run = f.claim(run.TaskID)
			f.saveStep(run.Fence, "a", `1`)
			f.finish(run.Fence, result(`{}`))
			equal(f.T, "the number of steps", f.value("SELECT count(*) FROM {s}mcp_task_step"), "1")
			equal(f.T, "the number of entries", len(f.events(run.TaskID)), 1)
		}},
		{"a job that does not run", func(f *fixture[TTx]) {
			run, other := f.begin(), f.begin()
			f.startJob(other.JobID)
			f.finish(run.Fence, result(`{}`))
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateAvailable)
			equal(f.T, "another task's job's state", f.job(other.JobID).State, rivertype.JobStateRunning)
		}},
		{"a job that is another's", func(f *fixture[TTx]) { // River may give its id to another job
			run, other := f.begin(), f.begin()
			f.startJob(other.JobID)
			f.query("UPDATE {s}mcp_task SET job_id = %d WHERE id = '%s'", other.JobID, run.TaskID)
			run.JobID = other.JobID
			equal(f.T, "held", f.finish(run.Fence, result(`{}`)), true)
			equal(f.T, "the job's state", f.job(other.JobID).State, rivertype.JobStateRunning)
		}},
		{"of a run that has lost its task", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID)
			f.claim(run.TaskID)
			equal(f.T, "held", f.finish(run.Fence, result(`{}`)), false)
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateRunning)
		}},
		{"expiry", func(f *fixture[TTx]) {
			for name, tc := range map[string]struct{ took, kept time.Duration }{
				"at once":                      {0, ttl},
				"before the minimum retention": {ttl - retention - time.Second, ttl},
				"at the minimum retention":     {ttl - retention, ttl},
				"after it":                     {ttl - retention + time.Second, ttl + time.Second},
				"after the TTL":                {3 * ttl, 3*ttl + retention},
			} {
				run := f.begin()
				f.clock.advance(tc.took)
				f.finish(run.Fence, result(`{}`))
				task := f.get(run.TaskID)
				equal(f.T, "the TTL of one that ended "+name, task.TTL, tc.kept)
				equal(f.T, "the expiry of one that ended "+name, task.ExpiresAt, task.CreatedAt.Add(tc.kept))
			}
		}},
	}
	for name, outcome := range outcomes {
		tests = append(tests, test[TTx]{name, func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID)
			f.report(run, driver.Progress{Message: "nearly done"})
			f.clock.advance(time.Minute)
			equal(f.T, "held", f.finish(run.Fence, outcome), true)

			want := &mcptasks.Task{
				ID: run.TaskID, Owner: alice, Tool: "report", Status: outcome.Status(), Outcome: outcome,
				TTL: ttl, PollInterval: f.tool.Options.PollInterval,
				CreatedAt: f.clock.now().Add(-time.Minute), UpdatedAt: f.clock.now(), FinishedAt: f.clock.now(),
			}
			want.ExpiresAt = want.CreatedAt.Add(ttl)
			if outcome.Error != nil {
				want.StatusMessage = outcome.Error.Message
			}
			if got := f.get(run.TaskID); !reflect.DeepEqual(got, want) {
				f.Errorf("the task is %+v, want %+v", got, want)
			}
			equal(f.T, "job_id", f.column(run.TaskID, "job_id"), "<nil>")
			equal(f.T, "run_token", f.column(run.TaskID, "run_token"), "<nil>")
			equal(f.T, "the number of entries", len(f.events(run.TaskID)), 0)
			job := f.job(run.JobID)
			equal(f.T, "the job's state", job.State, rivertype.JobStateCompleted)
			if job.FinalizedAt == nil || time.Since(*job.FinalizedAt).Abs() > time.Minute {
				f.Errorf("the job was finalized at %v, want now", job.FinalizedAt)
			}
		}})
	}
	return tests
}
