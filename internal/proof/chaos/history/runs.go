package history

import "time"

// lateness is how late a run may notice that it has lost its task when neither its process
// nor the database has a fault. It covers a sweep of its node and a busy machine.
const lateness = 5 * time.Second

// fenced checks invariant 4: no write of a run is accepted after another run has claimed
// the task, or after a cancellation was acknowledged.
func (c *checker) fenced(t *task) {
	for _, w := range t.writes {
		if !w.Held {
			continue
		}
		mine := t.runs[w.Run]
		for _, other := range t.runs {
			if mine.seq > 0 && other.seq > mine.seq && other.claimed < w.Sent {
				c.violated(4, t, "run %d of %s wrote its %s %s at %s; run %d of %s had the task since %s",
					mine.seq, mine.node, w.Op, w.Key, clock(w.Sent), other.seq, other.node, clock(other.claimed))
			}
		}
		if t.row.Status != "cancelled" {
			continue
		}
		for _, cancel := range t.cancels {
			if cancel.OK() && cancel.Acked < w.Sent {
				c.violated(4, t, "run %d of %s wrote its %s %s at %s; it was cancelled at %s", mine.seq, mine.node, w.Op, w.Key, clock(w.Sent), clock(cancel.Acked))
				break
			}
		}
	}
}

// steps checks invariant 5: once recorded, a step is not run again, and its value
// is the same everywhere.
func (c *checker) steps(t *task) {
	first := make(map[string]Observation) // the first run that saw the step recorded
	for _, w := range t.kept {
		if f, known := first[w.Key]; !known {
			first[w.Key] = w
		} else if f.Value != w.Value {
			c.violated(5, t, "step %q is %s for the run at %s and %s at %s", w.Key, f.Value, clock(f.At), w.Value, clock(w.At))
		}
	}
	stored, out := c.Tables.Steps[t.id], Output{}
	if t.row.Status == "completed" {
		out, _ = t.output()
	}
	for key, w := range first {
		if stored[key] != w.Value {
			c.violated(5, t, "step %q was recorded as %s at %s; the table has %q", key, w.Value, clock(w.At), stored[key])
		}
	}
	for key, value := range out.Values {
		if stored[key] != value {
			c.violated(5, t, "its result holds %s for step %q; the table has %q", value, key, stored[key])
		}
	}
	for _, ran := range t.steps {
		if f, known := first[ran.Key]; known && f.At < ran.At {
			c.ranAgain(t, ran, f)
		}
	}
}

// ranAgain judges a step that ran after it had been recorded. That is allowed only in a
// run that has lost the task and cannot know it yet.
func (c *checker) ranAgain(t *task, ran, recorded Observation) {
	mine, recorder := t.runs[ran.Run], t.runs[recorded.Run]
	lost := int64(0) // when another run claimed the task
	for _, other := range t.runs {
		if other.seq > mine.seq && other.claimed > 0 && (lost == 0 || other.claimed < lost) {
			lost = other.claimed
		}
	}
	stale := mine.seq > 0 && mine.seq < recorder.seq && lost > 0
	if stale && (ran.At-lost < lateness.Nanoseconds() || c.disturbed(mine.pid, lost, ran.At)) {
		return
	}
	c.violated(5, t, "step %q was recorded by run %d of %s at %s and ran again in run %d of %s at %s",
		ran.Key, recorder.seq, recorder.node, clock(recorded.At), mine.seq, mine.node, clock(ran.At))
}

// reached checks invariant 7: the runs of a cancelled task are told of it.
func (c *checker) reached(t *task) {
	if t.row.Status != "cancelled" {
		return
	}
	var acked *Request
	for _, cancel := range t.cancels {
		if cancel.OK() && (acked == nil || cancel.Acked < acked.Acked) {
			acked = cancel
		}
	}
	if acked == nil {
		return
	}
	by := acked.Acked + lateness.Nanoseconds()
	for _, r := range t.runs {
		if r.began == 0 || r.began > acked.Sent || r.returned > 0 && r.returned < acked.Sent {
			continue
		}
		switch {
		case r.ended > 0 && r.ended <= by, r.returned > 0 && r.returned <= by:
			c.heard++
		case !c.disturbed(r.pid, acked.Sent, by):
			c.violated(7, t, "it was cancelled at %s; run %d of %s was not told of it within %s", clock(acked.Acked), r.seq, r.node, lateness)
		}
	}
}
