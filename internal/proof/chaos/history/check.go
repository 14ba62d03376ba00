package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Violation is an invariant that did not hold, with the evidence.
type Violation struct {
	Invariant int // of the architecture's list
	Task      string
	What      string
}

func (v Violation) String() string {
	return fmt.Sprintf("invariant %d: task %s: %s", v.Invariant, v.Task, v.What)
}

// Check checks the history against the invariants 1 to 9 and a part of 10.
func Check(h *History) []Violation { return check(h).violations }

func check(h *History) *checker {
	c := &checker{History: h, tasks: make(map[string]*task)}
	c.index()
	c.foreign()
	for _, id := range slices.Sorted(maps.Keys(c.tasks)) {
		t := c.tasks[id]
		for _, check := range []func(*task){c.found, c.stable, c.ended, c.output, c.fenced, c.steps, c.answered, c.cancelled, c.reached} {
			check(t)
		}
	}
	c.repairs()
	slices.SortStableFunc(c.violations, func(a, b Violation) int { return cmp.Compare(a.Invariant, b.Invariant) })
	return c
}

type checker struct {
	*History
	tasks      map[string]*task
	violations []Violation
	heard      int // runs that had to be told of a cancellation, and were
}

// task has all that is known of one task. Each list is in order of time.
type task struct {
	id      string
	call    *Request // nil if the reply to its call was lost
	row     TaskRow
	exists  bool
	reads   []*Request // answered ones
	updates []*Request
	cancels []*Request
	runs    map[string]*run // by token
	steps   []Observation   // StepRan
	kept    []Observation   // Recorded
	writes  []Observation
	errors  int // of its attempts, in the timeline
}

// run is one run of a task.
type run struct {
	token      string
	node       string
	pid        int
	seq        int
	claimed    int64
	began      int64
	due        int64
	ended      int64 // its context
	cause      string
	returned   int64
	returnedAs string
}

func (c *checker) index() {
	for id, row := range c.Tables.Tasks {
		t := c.task(id)
		t.row, t.exists = row, true
	}
	for _, r := range c.Requests {
		if r.Foreign {
			continue
		}
		if r.Op == OpCall {
			if r.OK() && r.Task != "" {
				c.task(r.Task).call = r
			}
			continue
		}
		t := c.task(r.Task)
		switch r.Op {
		case OpGet:
			t.reads = append(t.reads, r)
		case OpUpdate:
			t.updates = append(t.updates, r)
		case OpCancel:
			t.cancels = append(t.cancels, r)
		}
	}
	for _, w := range c.Observations {
		c.observe(w)
	}
	for _, e := range c.Tables.Events {
		if e.Kind == "error" {
			c.task(e.Task).errors++
		}
	}
}

func (c *checker) task(id string) *task {
	t := c.tasks[id]
	if t == nil {
		t = &task{id: id, runs: make(map[string]*run)}
		c.tasks[id] = t
	}
	return t
}

func (c *checker) observe(w Observation) {
	t := c.task(w.Task)
	r := t.runs[w.Run]
	if r == nil {
		r = &run{token: w.Run, node: w.Node, pid: w.PID}
		t.runs[w.Run] = r
	}
	switch w.Kind {
	case Claimed:
		r.seq, r.claimed = w.Seq, w.At
	case Began:
		r.began, r.due = w.At, w.Due
	case CtxEnded:
		r.ended, r.cause = w.At, w.Value
	case Returned:
		r.returned, r.returnedAs = w.At, w.Value
	case StepRan:
		t.steps = append(t.steps, w)
	case Recorded:
		t.kept = append(t.kept, w)
	case Wrote:
		t.writes = append(t.writes, w)
	}
}

func (c *checker) violated(invariant int, t *task, format string, args ...any) {
	c.violations = append(c.violations, Violation{Invariant: invariant, Task: t.id, What: fmt.Sprintf(format, args...)})
}

// disturbed reports whether the process may be late: it was ended before the time was
// over, it was frozen meanwhile, or the database was unreachable until shortly before.
// Single lost connections are no reason to be late.
func (c *checker) disturbed(pid int, from, to int64) bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool {
		switch f.Kind {
		case Kill, Restart, Died: // also one that ended before
			return f.PID == pid && f.From <= to
		case Freeze:
			return f.PID == pid && f.From <= to && f.To >= from
		case Outage, Crash:
			return f.From <= to && f.To+c.lease().Nanoseconds() >= from
		default:
			return false
		}
	})
}

func (c *checker) lease() time.Duration { return 3 * c.HeartbeatInterval }

func (t *task) output() (Output, bool) {
	var result struct {
		StructuredContent *Output `json:"structuredContent"`
	}
	if json.Unmarshal(t.row.Outcome, &result) != nil || result.StructuredContent == nil {
		return Output{}, false
	}
	return *result.StructuredContent, true
}

// clock formats a time as in the logs.
func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05.000000") }
