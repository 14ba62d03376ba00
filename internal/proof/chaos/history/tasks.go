package history

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expect says how the tasks of a tool must end unless they are cancelled.
type Expect struct {
	Status  string
	IsError bool
	Steps   func(call Call) []string // the keys of its steps; nil: not looked at
	Answers []string
}

// found checks invariants 1 and 8: a task that a client was told of is in the table and is
// found on every serving node, and a live task is not deleted.
func (c *checker) found(t *task) {
	if t.call != nil && !t.exists {
		c.violated(1, t, "its handle was sent at %s, and the table has no such task", clock(t.call.Acked))
	}
	final := make(map[int]bool)
	for _, r := range t.reads {
		if r.OK() {
			final[r.Node] = final[r.Node] || r.Final
			continue
		}
		if r.Failed == "" && r.decode().Error.Code != internalError && t.call != nil && r.Sent > t.call.Acked {
			c.violated(1, t, "node %d answered its owner's read of %s with %s", r.Node, clock(r.Sent), r.Body)
		}
	}
	for node := range c.Nodes {
		if t.call != nil && !final[node] {
			c.violated(1, t, "node %d did not answer the last read of it", node)
		}
	}
}

// stable checks invariant 2: every read after a task's end has the same outcome.
func (c *checker) stable(t *task) {
	var first *Request
	var earliest int64
	for _, r := range t.reads {
		if !r.OK() {
			continue
		}
		view := r.decode().task
		if view.Status == "input_required" && len(view.InputRequests) == 0 {
			c.violated(3, t, "node %d answered at %s that it waits for answers, but with no pending question", r.Node, clock(r.Acked))
		}
		if !terminal(view.Status) {
			continue
		}
		if first == nil {
			first, earliest = r, r.Acked
		}
		earliest = min(earliest, r.Acked)
		if !bytes.Equal(r.decode().Result, first.decode().Result) {
			c.violated(2, t, "two reads differ: %s from node %d at %s, %s from node %d at %s",
				first.Body, first.Node, clock(first.Acked), r.Body, r.Node, clock(r.Acked))
		}
	}
	if first == nil {
		return
	}
	for _, r := range t.reads {
		if r.OK() && r.Sent > earliest && !terminal(r.decode().task.Status) {
			c.violated(2, t, "it had ended by %s; a read of %s from node %d says %s", clock(earliest), clock(r.Sent), r.Node, r.decode().task.Status)
		}
	}
	c.sameAsTable(t, first)
}

func (c *checker) sameAsTable(t *task, r *Request) {
	view := r.decode().task
	if view.Status != t.row.Status {
		c.violated(2, t, "a client read %s at %s; the table says %s", view.Status, clock(r.Acked), t.row.Status)
		return
	}
	if view.Status != "completed" {
		return
	}
	var read, stored map[string]any
	if json.Unmarshal(view.Result, &read) != nil || json.Unmarshal(t.row.Outcome, &stored) != nil {
		c.violated(2, t, "its result is not an object: %s, in the table %s", view.Result, t.row.Outcome)
		return
	}
	delete(read, "resultType")
	if !reflect.DeepEqual(read, stored) {
		c.violated(2, t, "a client read the result %s; the table has %s", view.Result, t.row.Outcome)
	}
}

// ended checks invariant 3: every task has ended, either as its tool does or cancelled by
// its owner.
func (c *checker) ended(t *task) {
	if !t.exists {
		return
	}
	expect, known := Tools[t.row.Tool]
	switch status := t.row.Status; {
	case !known:
		c.violated(3, t, "the run has no tool %q", t.row.Tool)
	case !terminal(status):
		c.violated(3, t, "%s is still %s at the end of the run", t.row.Tool, status)
	case status == "cancelled" && len(t.cancels) == 0:
		c.violated(3, t, "it is cancelled, but no client cancelled it")
	case status == "failed" && expect.Status != "failed":
		c.violated(3, t, "%s failed: %s", t.row.Tool, t.row.Outcome)
	case status == "completed" && expect.Status == "failed":
		c.violated(3, t, "%s completed, which it never does", t.row.Tool)
	}
}

// output checks that the result is of the task's own runs.
func (c *checker) output(t *task) {
	expect := Tools[t.row.Tool]
	if t.row.Status != "completed" || expect.Status == "failed" {
		return
	}
	if expect.IsError {
		if !strings.Contains(string(t.row.Outcome), `"isError":true`) {
			c.violated(2, t, "%s completed with %s instead of its error", t.row.Tool, t.row.Outcome)
		}
		return
	}
	out, ok := t.output()
	if !ok {
		c.violated(2, t, "%s completed with %s", t.row.Tool, t.row.Outcome)
		return
	}
	if t.call == nil {
		return
	}
	call := *t.call.Call
	if out.N != call.N {
		c.violated(2, t, "it was called with %s and answered %s", call.N, out.N)
	}
	if expect.Steps != nil {
		for _, key := range expect.Steps(call) {
			if out.Values[key] == "" {
				c.violated(5, t, "its result %s lacks the step %q", t.row.Outcome, key)
			}
		}
	}
	if t.row.Tool == Flaky && t.errors != call.Steps-1 {
		c.violated(4, t, "it fails %d times; %d errors were counted", call.Steps-1, t.errors)
	}
	for _, key := range expect.Answers {
		if out.Answers[key] == "" {
			c.violated(6, t, "its result %s lacks the answer %q", t.row.Outcome, key)
		}
	}
}

// repairs checks the tasks' events: no task and its job were in a forbidden state, and no
// task of a living node was recovered.
func (c *checker) repairs() {
	holders := make(map[int64]Observation) // of jobs: their last claims
	for _, w := range c.Observations {
		if w.Kind == Claimed {
			holders[w.Job] = w
		}
	}
	if c.Tables.Running > 0 {
		c.violated(10, &task{id: "none"}, "%d jobs are still running in River's table, but every task has ended", c.Tables.Running)
	}
	for _, e := range c.Tables.Events {
		c.checkRecovery(e, holders)
		if e.Kind == "repaired" && strings.Contains(e.Detail, "no question") {
			c.violated(3, c.task(e.Task), "it waited for answers with no pending question")
		}
	}
}

// The details of the store's events of recoveries.
var (
	nodeDied  = regexp.MustCompile(`^node \S* of job (\d+) died$`)
	lostFetch = regexp.MustCompile(`^the fetch of job \d+ was lost$`)
)

// checkRecovery checks a recovery: the job's run was over, or it is not known who fetched
// the job, or that process was dead or frozen.
func (c *checker) checkRecovery(e EventRow, holders map[int64]Observation) {
	if e.Kind != "recovered" || lostFetch.MatchString(e.Detail) {
		return
	}
	t := c.task(e.Task)
	died := nodeDied.FindStringSubmatch(e.Detail)
	if died == nil {
		c.violated(3, t, "at %s it was recovered for a reason that is unknown here: %s", clock(e.At), e.Detail)
		return
	}
	job, _ := strconv.ParseInt(died[1], 10, 64) // digits
	for _, f := range c.Faults {
		// Half a second: a transaction that stood still in the outage may end after it.
		long, since := time.Duration(f.To-f.From) > c.lease(), time.Duration(e.At-f.To)
		if f.Kind == Outage && long && since > 500*time.Millisecond && since < c.lease()-200*time.Millisecond {
			c.violated(3, t, "at %s its job %d was recovered, %s after an outage: no node can have been steady for a lease", clock(e.At), job, since)
		}
	}
	claim, known := holders[job]
	if !known {
		return
	}
	if r := t.runs[claim.Run]; r.returned > 0 && r.returned < e.At || c.silenced(claim.PID, e.At) {
		return
	}
	c.violated(3, t, "at %s its job %d was recovered from %s, which was alive", clock(e.At), job, claim.Node)
}

// silenced reports whether the process had ended or was frozen until shortly before, so
// that other nodes could take it for dead.
func (c *checker) silenced(pid int, at int64) bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool {
		switch f.Kind {
		case Kill, Restart, Died:
			return f.PID == pid && f.From < at
		case Freeze:
			return f.PID == pid && f.From < at && at < f.To+c.lease().Nanoseconds()
		default:
			return false
		}
	})
}

// foreign checks invariant 9: requests for another owner's task and for one that does not
// exist have the same answer, byte by byte.
func (c *checker) foreign() {
	first := make(map[string]*Request)
	for _, r := range c.Requests {
		if !r.Foreign {
			continue
		}
		reply := r.decode()
		switch {
		case r.Failed != "":
		case reply.Error == nil:
			c.violated(9, c.task(r.Task), "%s of %q, who does not own it, was answered with %s", r.Op, r.Owner, r.Body)
		case reply.Error.Code == internalError:
		case first[r.Op] == nil:
			first[r.Op] = r
		case !bytes.Equal(r.Body, first[r.Op].Body):
			c.violated(9, c.task(r.Task), "%s of another owner's task and of an unknown one have different answers: %s, %s", r.Op, r.Body, first[r.Op].Body)
		}
	}
}
