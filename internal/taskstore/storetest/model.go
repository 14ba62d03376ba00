package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const (
	modelRecoveries = 2
)

// model is what a store must hold after each action, by the rules alone and
// without a database. Jobs are compared by their ids: a database may give the id
// of a deleted one to another.
type model struct {
	now   time.Time
	tasks []*modelTask // the deleted ones too
	jobs  []*modelJob  // those there are
	alive []string     // nodes
}

type modelTask struct {
	id, retryOf                  string
	status                       mcptasks.Status
	job                          *modelJob
	token                        string
	runSeq, attempts, recoveries int
	steps                        map[string]string
	questions                    map[string]*modelQuestion
	events                       []string // their kinds
	created, updated             time.Time
	deadline, expires            time.Time // zero: none
	deleted                      bool
}

type modelQuestion struct {
	deadline time.Time
	response string
	expired  bool
}

func (q *modelQuestion) open() bool { return q.response == "" && !q.expired }

type modelJob struct {
	id    int64 // 0 until it is assigned
	task  *modelTask
	state rivertype.JobState
	node  string // that began it last
}

func (j *modelJob) waits() bool { return !final(j.state) && j.state != rivertype.JobStateRunning }

// modelRun is a run that has begun, whatever has become of its task since.
type modelRun struct {
	task *modelTask
	driver.Fence
}

func (m *model) create(id, retryOf string, deadline time.Duration) *modelTask {
	task := &modelTask{
		id: id, retryOf: retryOf, status: mcptasks.StatusWorking, created: m.now, updated: m.now,
		steps: make(map[string]string), questions: make(map[string]*modelQuestion),
	}
	if deadline > 0 {
		task.deadline = m.now.Add(deadline)
	}
	m.tasks = append(m.tasks, task)
	m.freshJob(task)
	return task
}

func (m *model) freshJob(task *modelTask) {
	task.job = &modelJob{task: task, state: rivertype.JobStateAvailable}
	m.jobs = append(m.jobs, task.job)
}

func (m *model) requeue(task *modelTask, recoveries int, event string) {
	m.freshJob(task)
	task.status, task.token, task.recoveries, task.updated = mcptasks.StatusWorking, "", recoveries, m.now
	task.event(event)
}

func (t *modelTask) event(kind string) {
	if kind != "" {
		t.events = append(t.events, kind)
	}
}

func (m *model) end(task *modelTask, status mcptasks.Status, event string) {
	task.status, task.job, task.token, task.updated = status, nil, "", m.now
	task.expires = task.created.Add(ttl)
	if kept := m.now.Add(retention); kept.After(task.expires) {
		task.expires = kept
	}
	task.event(event)
}

// endCancelling ends the task from without: a job that waits is cancelled, one
// that runs is told to end.
func (m *model) endCancelling(task *modelTask, status mcptasks.Status, event string) {
	if job := m.currentJob(task); job != nil && job.waits() {
		job.state = rivertype.JobStateCancelled
	}
	m.end(task, status, event)
}

// currentJob returns the task's job, nil if somebody has deleted it.
func (m *model) currentJob(task *modelTask) *modelJob {
	if slices.Contains(m.jobs, task.job) {
		return task.job
	}
	return nil
}

func (m *model) live() []*modelTask {
	return slices.DeleteFunc(m.kept(), func(task *modelTask) bool { return task.status.Terminal() })
}

func (m *model) kept() []*modelTask {
	return slices.DeleteFunc(slices.Clone(m.tasks), func(task *modelTask) bool { return task.deleted })
}

func (m *model) visible(task *modelTask) bool {
	return !task.deleted && (task.expires.IsZero() || task.expires.After(m.now))
}

func (t *modelTask) isJob(id int64) bool {
	return !t.deleted && t.status == mcptasks.StatusWorking && t.job.id == id
}

func (r *modelRun) holds() bool { return r.task.isJob(r.JobID) && r.task.token == r.RunToken }

func (t *modelTask) openQuestions() int {
	n := 0
	for _, q := range t.questions {
		if q.open() {
			n++
		}
	}
	return n
}

func (m *model) park(task *modelTask, keys []string) (parked bool) {
	for _, key := range keys {
		if task.questions[key] == nil {
			task.questions[key] = &modelQuestion{deadline: m.now.Add(within)}
		}
	}
	if task.openQuestions() == 0 {
		return false
	}
	task.status, task.job, task.token, task.updated = mcptasks.StatusInputRequired, nil, "", m.now
	task.event(driver.EventParked)
	return true
}

func (m *model) answer(task *modelTask, responses map[string]string) {
	if task.status.Terminal() {
		return
	}
	answered := false
	for key, response := range responses {
		if q := task.questions[key]; q != nil && q.open() {
			q.response, answered = response, true
		}
	}
	if !answered {
		return
	}
	task.recoveries, task.updated = 0, m.now
	if task.status == mcptasks.StatusInputRequired && task.openQuestions() == 0 {
		m.requeue(task, 0, "")
	}
}

// orphaned returns the jobs that run under nodes that are dead.
func (m *model) orphaned() []*modelJob {
	return slices.DeleteFunc(slices.Clone(m.jobs), func(job *modelJob) bool {
		return job.state != rivertype.JobStateRunning || slices.Contains(m.alive, job.node)
	})
}

func (m *model) reap() {
	for _, job := range m.orphaned() {
		job.state = rivertype.JobStateDiscarded
		task := job.task
		if !task.isJob(job.id) {
			continue
		}
		deaths := task.recoveries
		if task.token != "" {
			deaths++
		}
		if deaths > modelRecoveries {
			m.end(task, mcptasks.StatusFailed, driver.EventFailed)
		} else {
			m.requeue(task, deaths, driver.EventRecovered)
		}
	}
}

func (m *model) recoverLost(job *modelJob) {
	job.state = rivertype.JobStateDiscarded
	if job.task.isJob(job.id) {
		m.requeue(job.task, job.task.recoveries, driver.EventRecovered)
	}
}

// jobless says whether the task is working, has stood still, and has no job that could
// run it.
func (m *model) jobless(task *modelTask) bool {
	job := m.currentJob(task)
	return task.status == mcptasks.StatusWorking && m.now.Sub(task.updated) > settled && (job == nil || final(job.state))
}

// repair makes a working task that has stood still agree with its job.
func (m *model) repair(task *modelTask) {
	if task.deleted || !m.jobless(task) {
		return
	}
	state := rivertype.JobStateCompleted // or gone
	if job := m.currentJob(task); job != nil {
		state = job.state
	}
	switch state {
	case rivertype.JobStateCancelled:
		m.end(task, mcptasks.StatusCancelled, driver.EventRepaired)
	case rivertype.JobStateDiscarded:
		m.end(task, mcptasks.StatusFailed, driver.EventRepaired)
	case rivertype.JobStateCompleted:
		repairs := 0
		for _, kind := range task.events {
			if kind == driver.EventRepaired {
				repairs++
			}
		}
		if repairs >= taskstore.MaxRepairs {
			m.end(task, mcptasks.StatusFailed, driver.EventFailed)
		} else {
			m.requeue(task, task.recoveries, driver.EventRepaired)
		}
	}
}

func (m *model) sweep() {
	for _, task := range m.live() {
		if !task.deadline.IsZero() && task.deadline.Before(m.now) {
			m.endCancelling(task, mcptasks.StatusFailed, driver.EventFailed)
			continue
		}
		expired := false
		for _, q := range task.questions {
			if task.status == mcptasks.StatusInputRequired && q.open() && q.deadline.Before(m.now) {
				q.expired, expired = true, true
			}
		}
		if expired {
			m.requeue(task, task.recoveries, "")
		}
		m.repair(task)
	}
	for _, task := range m.tasks {
		if !task.expires.IsZero() && !task.expires.After(m.now) {
			task.deleted = true
		}
	}
}

// lines says what the tables must hold.
func (m *model) lines() []string {
	var lines []string
	for _, t := range m.kept() {
		var job int64
		if t.job != nil {
			job = t.job.id
		}
		lines = append(lines, fmt.Sprintf("task %s: %s job %d token %q run %d attempts %d recoveries %d of %q",
			t.id, t.status, job, t.token, t.runSeq, t.attempts, t.recoveries, t.retryOf))
		for key, result := range t.steps {
			lines = append(lines, fmt.Sprintf("step %s %s: %s", t.id, key, result))
		}
		for key, q := range t.questions {
			state := "closed"
			if q.open() {
				state = "open"
			}
			lines = append(lines, fmt.Sprintf("question %s %s: %s %q", t.id, key, state, q.response))
		}
		for i, kind := range t.events {
			lines = append(lines, fmt.Sprintf("event %s %d: %s", t.id, i, kind))
		}
	}
	for _, job := range m.jobs {
		lines = append(lines, fmt.Sprintf("job %d of %s: %s under %q", job.id, job.task.id, job.state, job.node))
	}
	slices.Sort(lines)
	return lines
}
