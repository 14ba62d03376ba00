package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func showTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"a task that waits for its first run", func(f *fixture[TTx]) {
			call := f.call()
			call.Params.Arguments, call.Params.Meta = nil, nil
			task := f.make(call)
			f.wantShown(task.ID, &driver.Shown{
				Task: f.get(task.ID), Queue: "reports", MaxAttempts: 3, JobID: f.jobOf(task.ID), JobState: "available",
			})
		}},
		{"all that happened", func(f *fixture[TTx]) {
			began := f.clock.now()
			at := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
			next := func() { f.clock.advance(time.Minute) }
			options := f.tool.Options
			options.Deadline = 3 * time.Hour
			call := f.call()
			call.Tool = newTool("report", &options)
			id := f.make(call).ID

			next() // 1: a run that fails after a step
			run := f.claimOn(id, "node-a")
			f.must(f.step(run.Fence, "fetch", `"日本"`, at(1), at(1).Add(time.Second)))
			detail := strings.Repeat("x", 60_000)
			held, err := f.store.FailAttempt(f.ctx, driver.FailedAttempt{Fence: run.Fence, Event: driver.Event{Kind: driver.EventError, Node: "node-a", Detail: detail}})
			f.must(err)
			equal(f.T, "held", held, true)
			next() // 2: one whose node dies
			first := f.claimOn(id, "node-b")
			f.startJob(first.JobID, "node-b")
			next() // 3
			f.reap(1)
			next() // 4: one that records what the first had, and more, and asks
			run = f.claimOn(id, "node-c")
			f.must(f.step(run.Fence, "fetch", `"again"`, at(4), at(4)))
			f.must(f.step(run.Fence, "render", `1`, at(4), at(5)))
			f.park(run, "a", "b")
			next() // 5
			f.must(f.answer(id, "a"))

			want := &driver.Shown{
				Task: f.get(id), Arguments: json.RawMessage(`{"year":2026}`), Queue: "reports",
				Attempts: 1, MaxAttempts: 3, RunSeq: 3, RunNode: "node-c", RunAt: at(4), DeadlineAt: at(180),
				Questions: []driver.ShownQuestion{
					{Key: "a", Method: confirm.Method, Params: confirm.Params, Response: yes, AskedAt: at(4), DeadlineAt: at(64), AnsweredAt: at(5)},
					{Key: "b", Method: confirm.Method, Params: confirm.Params, AskedAt: at(4), DeadlineAt: at(64)},
				},
				Steps: []driver.ShownStep{
					{Key: "fetch", Node: "node-a", RunSeq: 1, BeganAt: at(1), EndedAt: at(1).Add(time.Second), Bytes: 8},
					{Key: "render", Node: "node-c", RunSeq: 3, BeganAt: at(4), EndedAt: at(5), Bytes: 1},
				},
				Timeline: []driver.TimedEvent{
					{Event: driver.Event{Kind: driver.EventError, Node: "node-a", Detail: detail}, At: at(1), RunSeq: 1},
					{Event: driver.Event{Kind: driver.EventRecovered, Node: "reaper", Detail: "node node-b of job 1 died"}, At: at(3), RunSeq: 2},
					{Event: driver.Event{Kind: driver.EventParked, Node: "node-c", Detail: `until ["a" "b"] are answered`}, At: at(4), RunSeq: 3},
				},
			}
			f.wantShown(id, want)

			f.clock.advance(59 * time.Minute) // 64
			next()
			f.must(f.store.Sweep(f.ctx, ttl)) // b has expired
			run = f.claimOn(id, "node-c")
			f.startJob(run.JobID, "node-c")
			want.Task, want.RunSeq, want.RunAt, want.JobID, want.JobState = f.get(id), 4, at(65), run.JobID, "running"
			want.Questions[1].AnsweredAt = at(65)
			f.wantShown(id, want)

			f.finish(run.Fence, failure.Outcome("no"))
			f.clock.advance(2 * ttl) // expired, and not yet deleted
			want.Task, want.JobID, want.JobState = &mcptasks.Task{
				ID: id, Owner: alice, Tool: "report", Status: mcptasks.StatusFailed, StatusMessage: "no", Outcome: failure.Outcome("no"),
				TTL: ttl, PollInterval: options.PollInterval, CreatedAt: began, UpdatedAt: at(65), FinishedAt: at(65), ExpiresAt: began.Add(ttl),
			}, 0, ""
			f.wantShown(id, want)
		}},
		{"deaths", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.reap(1)
			f.wantShownField(run.TaskID, "the recoveries", func(s *driver.Shown) any { return s.Recoveries }, 1)
		}},
		{"a retried task", func(f *fixture[TTx]) {
			run := f.begin()
			f.cancel(run.TaskID)
			again, err := f.store.Operator().Retry(f.ctx, run.TaskID)
			f.must(err)
			f.wantShownField(again.ID, "retry_of", func(s *driver.Shown) any { return s.RetryOf }, run.TaskID)
			f.wantShownField(run.TaskID, "the first one's", func(s *driver.Shown) any { return s.RetryOf }, "")
		}},
		{"an answer before its question", func(f *fixture[TTx]) {
			call := f.call()
			call.Params.Responses = answers("early")
			id, now := f.make(call).ID, f.clock.now()
			f.wantShownField(id, "the questions", func(s *driver.Shown) any { return s.Questions }, []driver.ShownQuestion{
				{Key: "early", Response: yes, AskedAt: now, DeadlineAt: now, AnsweredAt: now},
			})
		}},
		{"the job's state", func(f *fixture[TTx]) {
			state := func(s *driver.Shown) any { return s.JobState }
			run, other := f.begin(), f.begin()
			for _, want := range rivertype.JobStates() {
				f.must(f.setJob(run.JobID, want))
				f.wantShownField(run.TaskID, "the state", state, string(want))
			}
			f.query("UPDATE {s}mcp_task SET job_id = %d WHERE id = '%s'", other.JobID, run.TaskID)
			f.wantShownField(run.TaskID, "the state of another task's job", state, "")
			f.deleteJob(other.JobID)
			f.wantShownField(other.TaskID, "the state of no job", state, "")
			f.wantShownField(other.TaskID, "the job that was", func(s *driver.Shown) any { return s.JobID }, other.JobID)
		}},
		{"is no write, and waits for none", func(f *fixture[TTx]) {
			run := f.begin()
			f.deleteJob(run.JobID)
			f.clock.advance(settled + time.Second)
			f.must(f.inTx(func(tx TTx) error {
				if _, err := f.driver.Lock(f.ctx, tx, run.TaskID, false); err != nil {
					return err
				}
				_, err := f.store.Operator().Show(f.ctx, run.TaskID)
				return err
			}))
			f.unchanged(run.TaskID, "Show", func() {
				_, err := f.store.Operator().Show(f.ctx, run.TaskID)
				f.must(err)
			})
		}},
		{"of one moment", func(f *fixture[TTx]) {
			// Nobody sees a question of a task that does not wait for it, nor one that
			// waits without.
			for _, run := range f.beginAll(60) {
				f.atOnce(
					func() error {
						_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": confirm}, within)
						return err
					},
					func() error {
						for waits := false; !waits; {
							shown, err := f.store.Operator().Show(f.ctx, run.TaskID)
							if err != nil {
								return err
							}
							waits = shown.Status == mcptasks.StatusInputRequired
							if waits != (len(shown.Questions) == 1) || waits != (len(shown.Timeline) == 1) {
								return fmt.Errorf("the task is %s, its questions are %+v, its timeline %+v", shown.Status, shown.Questions, shown.Timeline)
							}
						}
						return nil
					},
				)
			}
		}},
	}
}

// wantShown fails the test unless that is what an operator sees of the task.
func (f *fixture[TTx]) wantShown(id string, want *driver.Shown) {
	f.Helper()
	got, err := f.store.Operator().Show(f.ctx, id)
	f.must(err)
	if !reflect.DeepEqual(got.Task, want.Task) {
		f.Errorf("the task is %+v, want %+v", got.Task, want.Task)
	}
	if !slices.Equal(got.Steps, want.Steps) {
		f.Errorf("the steps are %+v, want %+v", got.Steps, want.Steps)
	}
	if !slices.Equal(got.Timeline, want.Timeline) {
		f.Errorf("the timeline is %.2000v, want %.2000v", got.Timeline, want.Timeline)
	}
	if len(got.Questions) != len(want.Questions) || len(want.Questions) > 0 && !reflect.DeepEqual(got.Questions, want.Questions) {
		f.Errorf("the questions are %+v, want %+v", got.Questions, want.Questions)
	}
	rest := func(s *driver.Shown) driver.Shown {
		r := *s
		r.Task, r.Steps, r.Timeline, r.Questions = nil, nil, nil, nil
		return r
	}
	if got, want := rest(got), rest(want); !reflect.DeepEqual(got, want) {
		f.Errorf("shown is %+v, want %+v", got, want)
	}
}

func (f *fixture[TTx]) wantShownField(id, what string, field func(*driver.Shown) any, want any) {
	f.Helper()
	shown, err := f.store.Operator().Show(f.ctx, id)
	f.must(err)
	if got := field(shown); !reflect.DeepEqual(got, want) {
		f.Errorf("%s is %+v, want %+v", what, got, want)
	}
}

func (f *fixture[TTx]) step(fence driver.Fence, key, result string, began, ended time.Time) error {
	_, _, err := f.store.SaveStep(f.ctx, driver.Step{
		Fence: fence, Key: key, Result: json.RawMessage(result), BeganAt: began, EndedAt: ended,
	})
	return err
}
