package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/riverqueue/river/rivertype"
	"pgregory.net/rapid"

	"github.com/mcptasks/mcptasks"
)

// check compares the store with the model, and looks at what always holds.
func (w *walk[TTx]) check(*rapid.T) {
	lines := w.lines()
	if want := w.model.lines(); !slices.Equal(lines, want) {
		w.t.Fatalf("the store holds what the model does not (<), and lacks what it does (>):\n%s", difference(lines, want))
	}
	for _, task := range w.tasks {
		got, err := w.driver.Get(w.ctx, alice, task.id, w.now)
		if !w.visible(task) {
			w.wantErr(err, mcptasks.ErrNotFound)
			continue
		}
		w.must(err)
		w.want("the status", got.Status, task.status)
		w.want("the time of change", got.UpdatedAt, task.updated)
		w.want("the expiry", got.ExpiresAt, task.expires)
		var open []string
		for key, q := range task.questions {
			if q.open() && task.status == mcptasks.StatusInputRequired {
				open = append(open, key)
			}
		}
		slices.Sort(open)
		w.want("the open questions", slices.Sorted(maps.Keys(got.Questions)), open)
	}
}

// lines says what the tables hold, as the model says what they must, once the model
// has the ids of its new jobs.
func (w *walk[TTx]) lines() []string {
	var lines []string
	tasks := make(map[string]mcptasks.Status)
	jobOf := make(map[string]int64)
	for _, row := range w.query("SELECT id, status, coalesce(job_id, 0), coalesce(run_token, ''), run_seq, attempts, recoveries, coalesce(retry_of, '') FROM {s}mcp_task") {
		lines = append(lines, fmt.Sprintf("task %v: %v job %v token %q run %v attempts %v recoveries %v of %q", row...))
		id, status := fmt.Sprint(row[0]), mcptasks.Status(fmt.Sprint(row[1]))
		tasks[id], jobOf[id] = status, row[2].(int64)
		if before := w.ended[id]; before != "" && before != status {
			w.t.Fatalf("task %s was %s and is %s", id, before, status)
		}
		if status.Terminal() {
			w.ended[id] = status
		}
		if status != mcptasks.StatusWorking && jobOf[id] != 0 {
			w.t.Fatalf("task %s is %s and has job %d", id, status, jobOf[id])
		}
	}
	for _, row := range w.query("SELECT task_id, key, result FROM {s}mcp_task_step") {
		lines = append(lines, fmt.Sprintf("step %v %v: %v", row...))
	}
	for _, row := range w.query("SELECT task_id, key, CASE WHEN answered_at IS NULL THEN 'open' ELSE 'closed' END, coalesce(response, '') FROM {s}mcp_task_input") {
		lines = append(lines, fmt.Sprintf("question %v %v: %v %q", row...))
	}
	events := make(map[any]int)
	for _, row := range w.query("SELECT task_id, kind FROM {s}mcp_task_event ORDER BY id") {
		lines = append(lines, fmt.Sprintf("event %v %d: %v", row[0], events[row[0]], row[1]))
		events[row[0]]++
	}
	w.assignJobIDs(jobOf)
	jobs, err := w.allJobs()
	w.must(err)
	for _, job := range jobs {
		node := ""
		if n := len(job.AttemptedBy); n > 0 {
			node = job.AttemptedBy[n-1]
		}
		task := taskOf(job)
		lines = append(lines, fmt.Sprintf("job %d of %s: %s under %q", job.ID, task, job.State, node))
		waits := !final(job.State) && job.State != rivertype.JobStateRunning
		if status, ok := tasks[task]; ok && waits && (status != mcptasks.StatusWorking || jobOf[task] != job.ID) {
			w.t.Fatalf("job %d of task %s is %s; the task is %s and its job %d", job.ID, task, job.State, status, jobOf[task])
		}
	}
	slices.Sort(lines)
	return lines
}

// assignJobIDs gives the model's new jobs the ids that the store gave theirs.
func (w *walk[TTx]) assignJobIDs(jobOf map[string]int64) {
	known := make(map[int64]bool)
	for _, job := range w.jobs {
		known[job.id] = true
	}
	for _, job := range w.jobs {
		if job.id != 0 {
			continue
		}
		id := jobOf[job.task.id]
		if known[id] {
			w.t.Fatalf("task %s has job %d, want a fresh one", job.task.id, id)
		}
		job.id = id
	}
}

func difference(got, want []string) string {
	var lines []string
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "< "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "> "+line)
		}
	}
	return strings.Join(lines, "\n")
}
