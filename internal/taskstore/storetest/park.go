package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// within is how long the tests' questions wait for their answers.
const within = time.Hour

var (
	confirm = mcptasks.Question{Method: mcptasks.MethodElicit, Params: json.RawMessage(
		`{"message":"Sure?","requestedSchema":{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}}`)}
	compose = mcptasks.Question{Method: mcptasks.MethodSample, Params: json.RawMessage(
		`{"messages":[{"role":"user","content":{"type":"text","text":"A title?"}}],"maxTokens":10}`)}
)

func parkTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"stored", func(f *fixture[TTx]) {
			run := f.begin()
			f.startJob(run.JobID, "n")
			f.report(run, driver.Progress{Message: "nearly done"})
			f.clock.advance(time.Minute)
			asked := map[string]mcptasks.Question{"a": confirm, "b": compose}
			parked, held, err := f.store.Park(f.ctx, run.Fence, asked, within)
			if !parked || !held || err != nil {
				f.Errorf("Park returned %v, %v, %v, want that the task is parked", parked, held, err)
			}
			want := &mcptasks.Task{
				ID: run.TaskID, Owner: alice, Tool: "report", Status: mcptasks.StatusInputRequired,
				StatusMessage: "nearly done", Questions: asked, TTL: ttl, PollInterval: f.tool.Options.PollInterval,
				CreatedAt: f.clock.now().Add(-time.Minute), UpdatedAt: f.clock.now(),
			}
			if got := f.get(run.TaskID); !reflect.DeepEqual(got, want) {
				f.Errorf("the task is %+v, want %+v", got, want)
			}
			equal(f.T, "job_id", f.column(run.TaskID, "job_id"), "<nil>")
			equal(f.T, "run_token", f.column(run.TaskID, "run_token"), "<nil>")
			f.refused(run.Fence)
			claimed, err := f.store.Claim(f.ctx, run.TaskID, run.JobID, f.tools, here)
			if claimed != nil || err != nil {
				f.Errorf("the former job claimed %+v, %v, want nothing", claimed, err)
			}
			// River settles the job when the run returns.
			equal(f.T, "the job's state", f.job(run.JobID).State, rivertype.JobStateRunning)
		}},
		{"by a zombie", func(f *fixture[TTx]) {
			zombie := f.begin()
			run := f.claim(zombie.TaskID)
			f.unchanged(run.TaskID, "a zombie's question", func() {
				parked, held, err := f.store.Park(f.ctx, zombie.Fence, map[string]mcptasks.Question{"a": confirm}, within)
				if parked || held || err != nil {
					f.Errorf("Park returned %v, %v, %v, want that the run has lost its task", parked, held, err)
				}
			})
		}},
		{"all answered meanwhile", func(f *fixture[TTx]) {
			run := f.parked("a", "b")
			f.must(f.answer(run.TaskID, "a", "b"))
			again := f.claim(run.TaskID)
			f.unchanged(run.TaskID, "asking what is answered", func() {
				asked := map[string]mcptasks.Question{"a": confirm, "b": confirm}
				parked, held, err := f.store.Park(f.ctx, again.Fence, asked, within)
				if parked || !held || err != nil {
					f.Errorf("Park returned %v, %v, %v, want that the run goes on", parked, held, err)
				}
			})
			f.report(again, driver.Progress{})
		}},
		{"some answered before", func(f *fixture[TTx]) {
			run := f.parked("a")
			f.must(f.answer(run.TaskID, "a"))
			f.park(f.claim(run.TaskID), "a", "b")
			f.wantOpen(run.TaskID, "b")
			f.must(f.answer(run.TaskID, "b"))
			questions := f.claim(run.TaskID).Questions
			equal(f.T, "the first answer", string(questions["a"].Response), string(yes))
			equal(f.T, "the second answer", string(questions["b"].Response), string(yes))
		}},
		{"the stored words stand", func(f *fixture[TTx]) {
			run := f.workingWithOpen("a", "b")
			other := confirm
			other.Params = json.RawMessage(strings.Replace(string(confirm.Params), "Sure?", "Really?", 1))
			parked, held, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"b": other}, within)
			if !parked || !held || err != nil {
				f.Errorf("Park returned %v, %v, %v, want that the task is parked", parked, held, err)
			}
			equal(f.T, "the question", string(f.get(run.TaskID).Questions["b"].Params), string(confirm.Params))
		}},
		{"too many questions", func(f *fixture[TTx]) {
			f.store = f.newStore(config.Config{MaxQuestions: 2})
			run := f.parked("a")
			f.must(f.answer(run.TaskID, "a"))
			again := f.claim(run.TaskID)
			f.unchanged(run.TaskID, "questions over the limit", func() {
				_, _, err := f.store.Park(f.ctx, again.Fence, map[string]mcptasks.Question{"b": confirm, "c": confirm}, within)
				f.wantText(err, mcptasks.ErrInvalid, "3 questions", "allows 2")
			})
			f.park(again, "a", "b")
		}},
		{"keys", func(f *fixture[TTx]) {
			keys := []string{"a", "A", "a ", "é", "e\u0301", "日本 \U0001F600", `'"\{},NULL`, "%", strings.Repeat("k", 1000)}
			run := f.parked(keys...)
			f.wantOpen(run.TaskID, keys...)
			for _, key := range keys {
				f.must(f.answer(run.TaskID, key))
			}
			equal(f.T, "the number of questions", len(f.claim(run.TaskID).Questions), len(keys))
			for _, key := range []string{"a\x00", "a\xff"} {
				run := f.begin()
				f.unchanged(run.TaskID, "a key that is not text", func() {
					_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"good": confirm, key: confirm}, within)
					f.wantError(err, mcptasks.ErrInvalid)
				})
			}
		}},
		{"each task has its own", func(f *fixture[TTx]) {
			one, two := f.parked("a"), f.parked("a", "b")
			f.must(f.answer(one.TaskID, "a"))
			f.wantOpen(two.TaskID, "a", "b")
			f.fresh(one.TaskID, one.JobID)
		}},
		{"announced", func(f *fixture[TTx]) {
			run := f.begin()
			changed := f.notified(run.TaskID)
			_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": confirm}, within)
			f.must(err)
			changed.want("a park", true)
			f.must(f.store.Answer(f.ctx, alice, run.TaskID, answers("b")))
			changed.want("no answer", false)
			f.must(f.store.Answer(f.ctx, alice, run.TaskID, answers("a")))
			changed.want("an answer", true)
		}},
		{"against cancel", func(f *fixture[TTx]) {
			for _, run := range f.beginAll(50) {
				f.atOnce(
					func() error {
						_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": confirm}, within)
						return err
					},
					func() error { _, err := f.store.Cancel(f.ctx, alice, run.TaskID); return err },
				)
				equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusCancelled)
				equal(f.T, "job_id", f.column(run.TaskID, "job_id"), "<nil>")
				equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 1)
			}
		}},
	}
}

// park makes the run's task wait for the answers to confirm under the keys.
func (f *fixture[TTx]) park(run *driver.Claimed, keys ...string) {
	f.Helper()
	questions := make(map[string]mcptasks.Question)
	for _, key := range keys {
		questions[key] = confirm
	}
	parked, held, err := f.store.Park(f.ctx, run.Fence, questions, within)
	f.must(err)
	if !parked || !held {
		f.Fatalf("Park returned %v, %v, want that the task is parked", parked, held)
	}
}

// parked returns the first run of a new task of alice's, which waits for the
// answers to confirm under the keys.
func (f *fixture[TTx]) parked(keys ...string) *driver.Claimed {
	f.Helper()
	run := f.begin()
	f.park(run, keys...)
	return run
}

// parkedAll returns the first runs of n new tasks of alice's, as parked does, in
// few transactions.
func (f *fixture[TTx]) parkedAll(n int, keys ...string) []*driver.Claimed {
	f.Helper()
	runs, now := f.beginAll(n), f.clock.now()
	asked := make([]driver.Asked, len(keys))
	for i, key := range keys {
		asked[i] = driver.Asked{Key: key, Method: confirm.Method, Params: confirm.Params, DeadlineAt: now.Add(within)}
	}
	f.must(f.inTx(func(tx TTx) error {
		for _, run := range runs {
			if _, _, _, err := f.driver.Park(f.ctx, tx, run.Fence, asked, "", now); err != nil {
				return err
			}
		}
		return nil
	}))
	return runs
}

// workingWithOpen returns a run of a task whose question under expired has expired
// and whose question under open still is open.
func (f *fixture[TTx]) workingWithOpen(expired, open string) *driver.Claimed {
	f.Helper()
	run := f.begin()
	f.must(f.inTx(func(tx TTx) error {
		now := f.clock.now()
		_, _, _, err := f.driver.Park(f.ctx, tx, run.Fence, []driver.Asked{
			{Key: expired, Method: confirm.Method, Params: confirm.Params, DeadlineAt: now.Add(time.Minute)},
			{Key: open, Method: confirm.Method, Params: confirm.Params, DeadlineAt: now.Add(within)},
		}, "", now)
		return err
	}))
	f.clock.advance(2 * time.Minute)
	f.must(f.store.Sweep(f.ctx, time.Hour))
	f.fresh(run.TaskID, run.JobID)
	return f.claim(run.TaskID)
}

// wantOpen fails the test unless a poll is answered with questions under the keys
// and no others.
func (f *fixture[TTx]) wantOpen(id string, keys ...string) {
	f.Helper()
	task := f.get(id)
	equal(f.T, "the status", task.Status, mcptasks.StatusInputRequired)
	got := slices.Sorted(maps.Keys(task.Questions))
	if want := slices.Sorted(slices.Values(keys)); !slices.Equal(got, want) {
		f.Errorf("the open questions are %q, want %q", got, want)
	}
}

// atOnce runs the functions at the same moment and fails the test if one fails.
func (f *fixture[TTx]) atOnce(fns ...func() error) {
	f.Helper()
	start, errs := make(chan struct{}), make(chan error)
	for _, fn := range fns {
		go func() {
			<-start
			errs <- fn()
		}()
	}
	close(start)
	var failed []error
	for range fns {
		if err := <-errs; err != nil {
			failed = append(failed, err)
		}
	}
	if failed != nil {
		f.Fatal(fmt.Sprint(failed))
	}
}
