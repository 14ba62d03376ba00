package history

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Counts says how much a run did.
type Counts struct {
	Tasks, Completed, Failed, Cancelled int
	Kills, Freezes, Outages             int // kills of busy processes; freezes and outages beyond the lease
	Restarts, Crashes, Terminated       int
	Dropped, Fetches                    int // replies that were dropped, and those of fetches among them
	Cancels, Contested, Answers, Reads  int
	Heard                               int // runs that were told in time that their task was cancelled
	Recovered, Repaired, Stale          int // recoveries and repairs in the tasks' events; writes that the fence rejected
}

// race is how near to the handler's end a cancellation must be to count as contested.
const race = 25 * time.Millisecond

// Count returns how much the run did.
func Count(h *History) Counts {
	c := check(h)
	n := Counts{Heard: c.heard}
	for _, t := range c.tasks {
		if !t.exists {
			continue
		}
		n.Tasks++
		switch t.row.Status {
		case "completed":
			n.Completed++
		case "failed":
			n.Failed++
		case "cancelled":
			n.Cancelled++
		}
		if t.contested() {
			n.Contested++
		}
		for _, w := range t.writes {
			if !w.Held {
				n.Stale++
			}
		}
	}
	for _, r := range h.Requests {
		switch {
		case r.Foreign || !r.OK():
		case r.Op == OpCancel:
			n.Cancels++
		case r.Op == OpUpdate:
			n.Answers++
		case r.Op == OpGet:
			n.Reads++
		}
	}
	for _, e := range h.Tables.Events {
		switch e.Kind {
		case "recovered":
			n.Recovered++
		case "repaired":
			n.Repaired++
		}
	}
	for _, f := range h.Faults {
		c.countFault(&n, f)
	}
	return n
}

func (c *checker) countFault(n *Counts, f Fault) {
	long := time.Duration(f.To-f.From) > c.lease()
	switch f.Kind {
	case Kill:
		if c.busy(f) {
			n.Kills++
		}
	case Freeze:
		if long {
			n.Freezes++
		}
	case Outage:
		if long {
			n.Outages++
		}
	case Restart:
		n.Restarts++
	case Crash:
		n.Crashes++
	case Terminate:
		n.Terminated++
	case Drop:
		n.Dropped++
	case DropFetch:
		n.Dropped++
		n.Fetches++
	}
}

// busy reports whether the killed process had a run in flight.
func (c *checker) busy(f Fault) bool {
	for _, t := range c.tasks {
		for _, r := range t.runs {
			if r.pid == f.PID && r.began > 0 && r.began < f.From && r.returned == 0 {
				return true
			}
		}
	}
	return false
}

// contested reports whether a cancellation was near the handler's end.
func (t *task) contested() bool {
	for _, cancel := range t.cancels {
		if !cancel.OK() {
			continue
		}
		from, to := cancel.Sent-race.Nanoseconds(), cancel.Acked+race.Nanoseconds()
		for _, r := range t.runs {
			end := r.due
			if r.returned > 0 && r.returnedAs == "" {
				end = r.returned
			}
			if from <= end && end <= to {
				return true
			}
		}
	}
	return false
}

// Minima are the least counts of a run of five minutes; see Scaled.
type Minima struct{ Tasks, Kills, Freezes, Outages, Cancels int }

// Postgres and SQLite are the minima on each database. On SQLite every cancellation
// counts, on Postgres only a contested one.
var (
	Postgres = Minima{Tasks: 2000, Kills: 50, Freezes: 20, Outages: 3, Cancels: 200}
	SQLite   = Minima{Tasks: 2000, Kills: 50, Cancels: 200}
)

// Scaled returns the minima of a run of this duration.
func (m Minima) Scaled(duration time.Duration) Minima {
	scale := func(n int) int { return int(math.Ceil(float64(n) * float64(duration) / float64(5*time.Minute))) }
	return Minima{scale(m.Tasks), scale(m.Kills), scale(m.Freezes), scale(m.Outages), scale(m.Cancels)}
}

// Missed returns the counts that are below the minima.
func (m Minima) Missed(n Counts) []string {
	var missed []string
	least := func(what string, got, want int) {
		if got < want {
			missed = append(missed, fmt.Sprintf("%d %s instead of %d", got, what, want))
		}
	}
	least("tasks", n.Tasks, m.Tasks)
	least("kills of busy processes", n.Kills, m.Kills)
	least("freezes beyond the lease", n.Freezes, m.Freezes)
	least("outages beyond the lease", n.Outages, m.Outages)
	least("contested cancellations", n.Contested, m.Cancels)
	return missed
}

func (n Counts) String() string {
	var b strings.Builder
	for _, part := range []struct {
		name string
		n    int
	}{
		{"tasks", n.Tasks},
		{"completed", n.Completed},
		{"failed", n.Failed},
		{"cancelled", n.Cancelled},
		{"kills", n.Kills},
		{"freezes", n.Freezes},
		{"outages", n.Outages},
		{"restarts", n.Restarts},
		{"crashes", n.Crashes},
		{"terminated", n.Terminated},
	} {
		fmt.Fprintf(&b, "%s=%d ", part.name, part.n)
	}
	fmt.Fprintf(&b, "dropped=%d(fetches %d) cancels=%d(contested %d, heard %d) answers=%d reads=%d recovered=%d repaired=%d stale=%d",
		n.Dropped, n.Fetches, n.Cancels, n.Contested, n.Heard, n.Answers, n.Reads, n.Recovered, n.Repaired, n.Stale)
	return b.String()
}
