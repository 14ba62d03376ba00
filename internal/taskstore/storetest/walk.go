package storetest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"
	"pgregory.net/rapid"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// walkTests do at random what clients, workers, nodes, operators and time may do,
// in whatever order, and compare the store with the model after each action.
// -rapid.checks sets how many walks there are, -rapid.steps how long they are about.
func walkTests[TTx any]() []test[TTx] {
	return []test[TTx]{{"at random", func(f *fixture[TTx]) {
		unlessSet("rapid.checks", "12")
		unlessSet("rapid.steps", "40")
		unlessSet("rapid.nofailfile", "true") // the seed is printed
		rapid.Check(f.T, func(t *rapid.T) {
			w := newWalk(f, t)
			t.Repeat(map[string]func(*rapid.T){
				"create": w.create, "fetch": w.fetch, "claim": w.claim, "report": w.report, "step": w.step,
				"park": w.park, "answer": w.answer, "fail": w.fail, "finish": w.finish, "cancel": w.cancel,
				"settle": w.settle, "meddle": w.meddle, "die": w.die, "revive": w.revive, "reap": w.reap, "lose": w.lose,
				"advance": w.advance, "poll": w.poll, "sweep": w.sweep, "retry": w.retry, "delete": w.delete,
				"survey": w.survey,
				"":       w.check,
			})
		})
	}}}
}

func unlessSet(name, value string) {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	if !set {
		_ = flag.Set(name, value) // rapid has it
	}
}

// walk is one random walk. Its database has been emptied, not made anew.
type walk[TTx any] struct {
	*fixture[TTx]
	model
	t     *rapid.T
	runs  []*modelRun
	ended map[string]mcptasks.Status // by task
}

func newWalk[TTx any](f *fixture[TTx], t *rapid.T) *walk[TTx] {
	w := &walk[TTx]{fixture: f, t: t, ended: make(map[string]mcptasks.Status)}
	w.now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	f.clock.set(w.now)
	f.store = f.newStore(config.Config{MaxRecoveries: modelRecoveries, MinRetention: retention})
	for _, table := range []string{"mcp_task", "mcp_node", "river_job"} {
		w.query("DELETE FROM {s}%s", table)
	}
	for _, node := range []string{"n", "m"} {
		f.beatAs(driver.Node{ID: node})
		w.alive = append(w.alive, node)
	}
	return w
}

func (w *walk[TTx]) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *walk[TTx]) query(format string, args ...any) [][]any {
	w.t.Helper()
	rows, err := w.tryQuery(format, args...)
	w.must(err)
	return rows
}

// want fails the walk unless both are the same.
func (w *walk[TTx]) want(what string, got, want any) {
	w.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// pick chooses one, or skips the action if there is none.
func pick[T any](t *rapid.T, what string, from []T) T {
	if len(from) == 0 {
		t.Skip("no " + what)
	}
	i := rapid.IntRange(0, len(from)-1).Draw(t, what)
	return from[i]
}

// tx runs fn in a transaction that is committed, or rolled back, as it is chosen,
// and says which.
func (w *walk[TTx]) tx(t *rapid.T, fn func(tx TTx) error) (committed bool, err error) {
	committed = rapid.Bool().Draw(t, "commit")
	failed := w.driver.InTx(w.ctx, func(tx TTx) error {
		if err = fn(tx); err != nil || committed {
			return err
		}
		return errRollback
	})
	if failed != nil && !errors.Is(failed, errRollback) && err == nil {
		err = failed
	}
	return committed && err == nil, err
}

func (w *walk[TTx]) create(t *rapid.T) {
	if len(w.kept()) >= 4 {
		t.Skip("enough tasks")
	}
	options := w.tool.Options
	options.Deadline = pick(t, "deadline", []time.Duration{0, 0, 3 * time.Hour})
	call := w.call()
	call.Tool = newTool("report", &options)
	var tasks []*mcptasks.Task
	committed, err := w.tx(t, func(tx TTx) (err error) {
		tasks, err = w.store.CreateTx(w.ctx, tx, []taskstore.NewTask{call})
		return err
	})
	w.must(err)
	if committed {
		w.model.create(tasks[0].ID, "", options.Deadline)
	}
}

func (w *walk[TTx]) answer(t *rapid.T) {
	task := pick(t, "task", w.kept())
	responses, texts := make(map[string]json.RawMessage), make(map[string]string)
	for _, key := range pick(t, "keys", [][]string{{"a"}, {"b"}, {"c"}, {"a", "b"}, {"a", "b", "c"}, {"unknown"}}) {
		responses[key] = pick(t, "response", []json.RawMessage{yes, no})
		texts[key] = string(responses[key])
	}
	malformed := rapid.IntRange(0, 9).Draw(t, "malformed") == 0
	if malformed {
		responses["a"] = json.RawMessage(`{}`)
	}
	q := task.questions["a"]
	malformed = malformed && q != nil && q.open() && !task.status.Terminal()
	committed, err := w.tx(t, func(tx TTx) error { return w.store.AnswerTx(w.ctx, tx, alice, task.id, responses) })
	switch {
	case !w.visible(task):
		w.wantErr(err, mcptasks.ErrNotFound)
	case malformed:
		w.wantErr(err, mcptasks.ErrInvalid)
	default:
		w.must(err)
		if committed {
			w.model.answer(task, texts)
		}
	}
}

func (w *walk[TTx]) wantErr(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Fatalf("the error is %v, want %v", err, want)
	}
}

func (w *walk[TTx]) cancel(t *rapid.T) {
	task := pick(t, "task", w.kept())
	event := ""
	committed := true
	var err error
	if rapid.Bool().Draw(t, "operator") {
		event = driver.EventCancelled
		err = w.store.Operator().Cancel(w.ctx, task.id)
	} else {
		committed, err = w.tx(t, func(tx TTx) error { return w.store.CancelTx(w.ctx, tx, alice, task.id) })
		if !w.visible(task) {
			w.wantErr(err, mcptasks.ErrNotFound)
			return
		}
	}
	if task.status.Terminal() {
		w.wantErr(err, mcptasks.ErrTerminal)
		return
	}
	w.must(err)
	if committed {
		w.endCancelling(task, mcptasks.StatusCancelled, event)
	}
}

// meddle is what an operator does with River's own tools to the job of a working
// task.
func (w *walk[TTx]) meddle(t *rapid.T) {
	const gone = rivertype.JobState("gone")
	job := w.currentJob(pick(t, "task", slices.DeleteFunc(w.live(), func(task *modelTask) bool { return w.currentJob(task) == nil })))
	state := pick(t, "state", []rivertype.JobState{
		rivertype.JobStateCompleted, rivertype.JobStateCompleted, rivertype.JobStateCancelled, rivertype.JobStateDiscarded, rivertype.JobStateAvailable,
		rivertype.JobStateScheduled, rivertype.JobStateRetryable, rivertype.JobStatePending, gone, gone,
	})
	if state != gone {
		w.move(job, state)
		return
	}
	w.query("DELETE FROM {s}river_job WHERE id = %d", job.id)
	w.jobs = slices.DeleteFunc(w.jobs, func(other *modelJob) bool { return other == job })
}

func (w *walk[TTx]) advance(t *rapid.T) {
	w.now = w.now.Add(pick(t, "time", []time.Duration{time.Second, settled + time.Second, within / 2, within + time.Second, ttl}))
	w.clock.set(w.now)
}

func (w *walk[TTx]) poll(t *rapid.T) {
	task := pick(t, "task", w.kept())
	_, err := w.store.Get(w.ctx, alice, task.id)
	if !w.visible(task) {
		w.wantErr(err, mcptasks.ErrNotFound)
		return
	}
	w.must(err)
	w.repair(task)
}

func (w *walk[TTx]) sweep(*rapid.T) {
	w.must(w.store.Sweep(w.ctx, settled))
	w.model.sweep()
}

func (w *walk[TTx]) retry(t *rapid.T) {
	task := pick(t, "task", w.kept())
	if len(w.kept()) >= 6 {
		t.Skip("enough tasks")
	}
	again, err := w.store.Operator().Retry(w.ctx, task.id)
	if !task.status.Terminal() {
		w.wantErr(err, mcptasks.ErrConflict)
		return
	}
	w.must(err)
	var deadline time.Duration // as much time as the first had
	if !task.deadline.IsZero() {
		deadline = task.deadline.Sub(task.created)
	}
	w.model.create(again.ID, task.id, deadline)
}

func (w *walk[TTx]) delete(t *rapid.T) {
	task := pick(t, "task", w.kept())
	err := w.store.Operator().Delete(w.ctx, task.id)
	if !task.status.Terminal() {
		w.wantErr(err, mcptasks.ErrConflict)
		return
	}
	w.must(err)
	task.deleted = true
}

func (w *walk[TTx]) survey(*rapid.T) {
	survey, err := w.store.Operator().Survey(w.ctx)
	w.must(err)
	tasks, jobless := make(map[mcptasks.Status]int), []string{}
	for _, task := range w.live() {
		tasks[task.status]++
		if w.jobless(task) {
			jobless = append(jobless, task.id)
		}
	}
	w.want("the live tasks", survey.Tasks, tasks)
	slices.Sort(jobless)
	w.want("the tasks without a job", slices.Sorted(slices.Values(survey.Jobless)), jobless)
}
