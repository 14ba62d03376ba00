package storetest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
)

var (
	yes = json.RawMessage(`{"action":"accept","content":{"ok":true}}`)
	no  = json.RawMessage(`{"action":"decline"}`)
)

func answerTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"one after the other", func(f *fixture[TTx]) {
			run := f.parked("a", "b", "c")
			for _, step := range []struct {
				answered string
				open     []string
			}{{"b", []string{"a", "c"}}, {"a", []string{"c"}}} {
				f.clock.advance(time.Second)
				f.must(f.answer(run.TaskID, step.answered))
				f.wantOpen(run.TaskID, step.open...)
				equal(f.T, "the time of change", f.get(run.TaskID).UpdatedAt, f.clock.now())
				equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 1)
			}
			f.clock.advance(time.Second)
			f.must(f.answer(run.TaskID, "c"))
			job := f.fresh(run.TaskID, run.JobID)
			equal(f.T, "the number of jobs", len(f.jobsOf(run.TaskID)), 2)
			equal(f.T, "the time of change", f.get(run.TaskID).UpdatedAt, f.clock.now())
			if questions := f.get(run.TaskID).Questions; len(questions) > 0 {
				f.Errorf("a working task has questions: %+v", questions)
			}
			again := f.claim(run.TaskID)
			equal(f.T, "the job", again.JobID, job)
			equal(f.T, "the run", again.RunSeq, 2)
			for _, key := range []string{"a", "b", "c"} {
				equal(f.T, "the answer", string(again.Questions[key].Response), string(yes))
				equal(f.T, "expired", again.Questions[key].Expired, false)
			}
			f.refused(run.Fence)
		}},
		{"all at once", func(f *fixture[TTx]) {
			run := f.parked("a", "b")
			f.must(f.answer(run.TaskID, "a", "b", "unknown"))
			f.fresh(run.TaskID, run.JobID)
			equal(f.T, "the number of questions", len(f.claim(run.TaskID).Questions), 2)
		}},
		{"of every kind", func(f *fixture[TTx]) {
			run := f.begin()
			_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": confirm, "b": confirm, "c": confirm, "d": compose}, within)
			f.must(err)
			given := map[string]json.RawMessage{
				"a": yes, "b": no, "c": json.RawMessage(`{"action":"cancel"}`),
				"d": json.RawMessage(`{"role":"assistant","content":{"type":"text","text":"2026"},"model":"m"}`),
			}
			f.must(f.store.Answer(f.ctx, alice, run.TaskID, given))
			questions := f.claim(run.TaskID).Questions
			for key, response := range given {
				equal(f.T, "the answer under "+key, string(questions[key].Response), string(response))
			}
		}},
		{"nothing to change", func(f *fixture[TTx]) {
			answered := f.parked("a", "b")
			f.must(f.answer(answered.TaskID, "a"))
			expired := f.parked("a")
			f.clock.advance(within + time.Second)
			f.must(f.store.Sweep(f.ctx, ttl))
			answered2 := f.parked("a", "b")
			f.must(f.answer(answered2.TaskID, "a"))
			completed, cancelled := f.begin(), f.parked("a")
			f.finish(completed.Fence, result(`{}`))
			f.cancel(cancelled.TaskID)
			for name, tc := range map[string]struct {
				id        string
				responses map[string]json.RawMessage
			}{
				"a duplicate":                    {answered2.TaskID, map[string]json.RawMessage{"a": no}},
				"a malformed duplicate":          {answered2.TaskID, map[string]json.RawMessage{"a": json.RawMessage(`{`)}},
				"an unknown key":                 {answered2.TaskID, map[string]json.RawMessage{"x": yes, "": yes, "A": yes, "\x00": yes}},
				"no answers":                     {answered2.TaskID, map[string]json.RawMessage{}},
				"nil":                            {answered2.TaskID, nil},
				"a late answer":                  {expired.TaskID, map[string]json.RawMessage{"a": yes}},
				"an answer to a completed task":  {completed.TaskID, map[string]json.RawMessage{"a": yes}},
				"an answer to a cancelled task":  {cancelled.TaskID, map[string]json.RawMessage{"a": yes}},
				"malformed, to a cancelled task": {cancelled.TaskID, map[string]json.RawMessage{"a": json.RawMessage(`1`)}},
			} {
				f.unchanged(tc.id, name, func() {
					if err := f.store.Answer(f.ctx, alice, tc.id, tc.responses); err != nil {
						f.Errorf("%s: %v", name, err)
					}
				})
			}
		}},
		{"malformed", func(f *fixture[TTx]) {
			run := f.begin()
			_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": confirm, "b": confirm, "sample": compose}, within)
			f.must(err)
			for name, tc := range map[string]struct{ key, response string }{
				"empty":               {"b", ``},
				"null":                {"b", `null`},
				"cut off":             {"b", `{"action":"accept"`},
				"an array":            {"b", `[]`},
				"no action":           {"b", `{}`},
				"another action":      {"b", `{"action":"agree"}`},
				"no content":          {"b", `{"action":"accept"}`},
				"another type":        {"b", `{"action":"accept","content":{"ok":"yes"}}`},
				"a sampling's result": {"b", `{"role":"assistant","content":{"type":"text","text":""},"model":"m"}`},
				"an elicitation's":    {"sample", string(yes)},
				"sampled nothing":     {"sample", `{}`},
			} {
				for range 4 { // in whatever order the answers are looked at
					f.unchanged(run.TaskID, name, func() {
						err := f.store.Answer(f.ctx, alice, run.TaskID, map[string]json.RawMessage{"a": yes, tc.key: json.RawMessage(tc.response)})
						f.wantText(err, mcptasks.ErrInvalid, `"`+tc.key+`"`)
					})
				}
			}
			f.wantOpen(run.TaskID, "a", "b", "sample")
		}},
		{"malformed, in a transaction that goes on", func(f *fixture[TTx]) {
			run := f.parked("a", "b", "c", "d")
			f.unchanged(run.TaskID, "an answer that was refused", func() {
				responses := answers("a", "b", "c")
				responses["d"] = json.RawMessage(`{}`)
				err := f.inTx(func(tx TTx) error { return f.store.AnswerTx(f.ctx, tx, alice, run.TaskID, responses) })
				f.wantText(err, mcptasks.ErrInvalid, `"d"`)
			})
		}},
		{"to a working task", func(f *fixture[TTx]) {
			run := f.workingWithOpen("gone", "open")
			f.must(f.answer(run.TaskID, "open", "gone"))
			equal(f.T, "the job", f.jobOf(run.TaskID), run.JobID)
			parked, held, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"open": confirm}, within)
			if parked || !held || err != nil {
				f.Errorf("Park returned %v, %v, %v, want that the run goes on", parked, held, err)
			}
			questions := f.claim(run.TaskID).Questions
			equal(f.T, "the answer", string(questions["open"].Response), string(yes))
			equal(f.T, "the expired one's", string(questions["gone"].Response), "")
			equal(f.T, "expired", questions["gone"].Expired, true)
		}},
		{"two at once", func(f *fixture[TTx]) {
			other := f.storeOn(f.again(), config.Config{})
			for _, run := range f.parkedAll(100, "a", "b") {
				f.atOnce(
					func() error { return f.store.Answer(f.ctx, alice, run.TaskID, answers("a")) },
					func() error { return other.Answer(f.ctx, alice, run.TaskID, answers("b")) },
				)
				f.fresh(run.TaskID, run.JobID)
			}
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "200")
		}},
		{"the same twice at once", func(f *fixture[TTx]) {
			other := f.storeOn(f.again(), config.Config{})
			for _, run := range f.parkedAll(50, "a") {
				f.atOnce(
					func() error { return f.store.Answer(f.ctx, alice, run.TaskID, map[string]json.RawMessage{"a": yes}) },
					func() error { return other.Answer(f.ctx, alice, run.TaskID, map[string]json.RawMessage{"a": no}) },
				)
				f.fresh(run.TaskID, run.JobID)
			}
			equal(f.T, "the number of jobs", f.value("SELECT count(*) FROM {s}river_job"), "100")
		}},
		{"against cancel", func(f *fixture[TTx]) {
			for _, run := range f.parkedAll(50, "a") {
				f.atOnce(
					func() error { return f.answer(run.TaskID, "a") },
					func() error { _, err := f.store.Cancel(f.ctx, alice, run.TaskID); return err },
				)
				equal(f.T, "the status", f.get(run.TaskID).Status, mcptasks.StatusCancelled)
				for _, job := range f.jobsOf(run.TaskID)[1:] {
					if !final(job.State) {
						f.Errorf("a cancelled task has a job that is %s", job.State)
					}
				}
			}
		}},
		{"in a transaction", func(f *fixture[TTx]) {
			run := f.parked("a", "b")
			f.unchanged(run.TaskID, "answers that were rolled back", func() {
				f.rolledBack(func(tx TTx) error { return f.store.AnswerTx(f.ctx, tx, alice, run.TaskID, answers("a", "b")) })
			})
			f.must(f.inTx(func(tx TTx) error {
				if err := f.store.AnswerTx(f.ctx, tx, alice, run.TaskID, answers("a")); err != nil {
					return err
				}
				return f.store.AnswerTx(f.ctx, tx, alice, run.TaskID, answers("b"))
			}))
			f.fresh(run.TaskID, run.JobID)
		}},
		{"another owner's", func(f *fixture[TTx]) {
			run := f.parked("a")
			f.unchanged(run.TaskID, "another owner's answer", func() {
				f.wantError(f.store.Answer(f.ctx, bob, run.TaskID, answers("a")), mcptasks.ErrNotFound)
			})
		}},
		{"not UTF-8", func(f *fixture[TTx]) {
			run := f.begin()
			open := mcptasks.Question{Method: mcptasks.MethodElicit, Params: json.RawMessage("{\"message\":\"\xff\"}")}
			_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{"a": open}, within)
			f.must(err)
			equal(f.T, "the question", string(f.get(run.TaskID).Questions["a"].Params), "{\"message\":\"\uFFFD\"}")
			f.must(f.store.Answer(f.ctx, alice, run.TaskID, map[string]json.RawMessage{
				"a": json.RawMessage("{\"action\":\"accept\",\"content\":{\"v\":\"\xff\"}}"),
			}))
			response := string(f.claim(run.TaskID).Questions["a"].Response)
			if !strings.Contains(response, "\uFFFD") {
				f.Errorf("the answer is %q", response)
			}
		}},
	}
}

// answers accepts confirm under each key.
func answers(keys ...string) map[string]json.RawMessage {
	responses := make(map[string]json.RawMessage)
	for _, key := range keys {
		responses[key] = yes
	}
	return responses
}

func (f *fixture[TTx]) answer(id string, keys ...string) error {
	return f.store.Answer(f.ctx, alice, id, answers(keys...))
}
