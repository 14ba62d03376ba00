package storetest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/riverqueue/river/rivertype"
	"pgregory.net/rapid"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// This file is the part that runs, their nodes and River have in a random walk.

// fetch is what River does for a node that lives.
func (w *walk[TTx]) fetch(t *rapid.T) {
	node := pick(t, "node", w.alive)
	job := pick(t, "job", slices.DeleteFunc(slices.Clone(w.jobs), func(job *modelJob) bool { return job.state != rivertype.JobStateAvailable }))
	w.must(w.setJob(job.id, rivertype.JobStateRunning, "former", node))
	job.state, job.node = rivertype.JobStateRunning, node
}

// claim is of any job that a worker has fetched once: it may be slow.
func (w *walk[TTx]) claim(t *rapid.T) {
	job := pick(t, "job", slices.DeleteFunc(slices.Clone(w.jobs), func(job *modelJob) bool { return job.node == "" || job.waits() }))
	claimed, err := w.store.Claim(w.ctx, job.task.id, job.id, w.tools, here)
	w.must(err)
	task := job.task
	w.want("whether it is claimed", claimed != nil, task.isJob(job.id))
	if claimed == nil {
		return
	}
	task.token, task.updated = claimed.RunToken, w.now
	task.runSeq++
	w.want("the run", claimed.RunSeq, task.runSeq)
	w.want("the attempts", claimed.Attempts, task.attempts)
	if task.runSeq > 1 {
		steps := make(map[string]string)
		for key, result := range claimed.Steps {
			steps[key] = string(result)
		}
		w.want("the steps", steps, task.steps)
		w.want("the number of questions", len(claimed.Questions), len(task.questions))
		for key, q := range task.questions {
			got := claimed.Questions[key]
			w.want("the question "+key, fmt.Sprint(string(got.Response), got.Expired), fmt.Sprint(q.response, q.expired))
		}
	}
	w.runs = append(w.runs, &modelRun{task, claimed.Fence})
}

func (w *walk[TTx]) report(t *rapid.T) {
	run := pick(t, "run", w.runs)
	held, err := w.store.Report(w.ctx, run.Fence, driver.Progress{Done: 1})
	w.must(err)
	w.want("held", held, run.holds())
	if held {
		run.task.updated = w.now
	}
}

func (w *walk[TTx]) step(t *rapid.T) {
	run, key := pick(t, "run", w.runs), pick(t, "key", []string{"s", "t"})
	value := fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "value"))
	got, held, err := w.store.SaveStep(w.ctx, driver.Step{Fence: run.Fence, Key: key, Result: json.RawMessage(value)})
	w.must(err)
	w.want("held", held, run.holds())
	if !held {
		return
	}
	if _, known := run.task.steps[key]; !known {
		run.task.steps[key] = value
		if run.task.recoveries > 0 {
			run.task.recoveries, run.task.updated = 0, w.now
		}
	}
	w.want("the step", string(got), run.task.steps[key])
}

func (w *walk[TTx]) park(t *rapid.T) {
	run := pick(t, "run", w.runs)
	keys := pick(t, "keys", [][]string{{"a"}, {"b"}, {"a", "b"}, {"a", "b", "c"}})
	questions := make(map[string]mcptasks.Question)
	for _, key := range keys {
		questions[key] = confirm
	}
	parked, held, err := w.store.Park(w.ctx, run.Fence, questions, within)
	w.must(err)
	w.want("held", held, run.holds())
	w.want("parked", parked, held && w.model.park(run.task, keys))
}

// fail is a handler's error, with attempts left.
func (w *walk[TTx]) fail(t *rapid.T) {
	run := pick(t, "run", w.runs)
	held, err := w.store.FailAttempt(w.ctx, driver.FailedAttempt{Fence: run.Fence, Event: driver.Event{Kind: driver.EventError}})
	w.must(err)
	w.want("held", held, run.holds())
	if held {
		run.task.attempts++
		run.task.token, run.task.updated = "", w.now
		run.task.event(driver.EventError)
	}
}

func (w *walk[TTx]) finish(t *rapid.T) {
	run := pick(t, "run", w.runs)
	outcome := pick(t, "outcome", []*mcptasks.Outcome{result(`{}`), failure.Outcome("no")})
	held, err := w.store.Finish(w.ctx, run.Fence, w.tool.Name, outcome, driver.Event{})
	w.must(err)
	w.want("held", held, run.holds())
	if held {
		if job := w.currentJob(run.task); job != nil && job.state == rivertype.JobStateRunning {
			job.state = rivertype.JobStateCompleted
		}
		w.end(run.task, outcome.Status(), "")
	}
}

// settle is what River does with a job whose run has returned: it is run again if
// the task still is its, by a retry or a snooze, and has ended otherwise.
func (w *walk[TTx]) settle(t *rapid.T) {
	job := pick(t, "job", slices.DeleteFunc(slices.Clone(w.jobs), func(job *modelJob) bool { return job.state != rivertype.JobStateRunning }))
	state := rivertype.JobStateCompleted
	if job.task.isJob(job.id) {
		state = rivertype.JobStateAvailable
	}
	w.move(job, state)
}

// move sets a job's state. Once it waits, what ran of it has returned.
func (w *walk[TTx]) move(job *modelJob, state rivertype.JobState) {
	w.must(w.setJob(job.id, state))
	job.state = state
	if job.waits() {
		w.runs = slices.DeleteFunc(w.runs, func(run *modelRun) bool { return run.task == job.task && run.JobID == job.id })
	}
}

// die leaves the node's runs: they may not know it yet.
func (w *walk[TTx]) die(t *rapid.T) {
	node := pick(t, "node", w.alive)
	w.must(w.store.Forget(w.ctx, node))
	w.alive = slices.DeleteFunc(w.alive, func(other string) bool { return other == node })
}

func (w *walk[TTx]) revive(t *rapid.T) {
	node := pick(t, "node", []string{"n", "m"})
	w.beatAs(driver.Node{ID: node})
	if !slices.Contains(w.alive, node) {
		w.alive = append(w.alive, node)
	}
}

func (w *walk[TTx]) reap(*rapid.T) {
	seen, err := w.store.Reap(w.ctx, "reaper", lease, always)
	w.must(err)
	tasks := slices.DeleteFunc(w.orphaned(), func(job *modelJob) bool { return !job.task.isJob(job.id) })
	w.want("the number of reaped jobs", seen, len(tasks))
	w.model.reap()
}

// lose has a node find a job that River says it runs and that it does not know of.
func (w *walk[TTx]) lose(t *rapid.T) {
	node := pick(t, "node", w.alive)
	var running []*modelJob
	for _, job := range w.jobs {
		if job.state == rivertype.JobStateRunning && job.node == node {
			running = append(running, job)
		}
	}
	jobs, err := w.store.RunningOn(w.ctx, node)
	w.must(err)
	w.want("the number of the node's jobs", len(jobs), len(running))
	job := pick(t, "job", running)
	lost := driver.Job{ID: job.id, TaskID: job.task.id, Node: node}
	_, err = w.store.RecoverLost(w.ctx, lost, node)
	w.must(err)
	w.model.recoverLost(job)
}
