//go:build unix

package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/mcptasks/mcptasks/examples/split/tools"
)

// results has the client's answers, the producer's output, how the processes ended, and
// the tables at the end.
type results struct {
	calls     []call
	requests  []int64          // by server
	announced map[int64]string // tasks by order, from the producer's output
	refused   int              // orders that existed before, from the producer's output
	left      []string         // tasks that the killed worker left half done
	instances []*instance

	orders map[int64]string // the table: tasks by order
	tasks  map[string]task  // the table, by id
}

// complaints returns what is wrong with the results.
func (f *results) complaints() []string {
	var found []string
	must := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	f.checkCalls(must)
	f.checkOrders(must)
	must(len(f.tasks) == len(f.calls)+len(f.orders), "there are %d tasks of %d calls and %d orders", len(f.tasks), len(f.calls), len(f.orders))
	for id, t := range f.tasks {
		must(t.status == "completed", "task %s is %s", id, t.status)
	}
	f.checkLeft(must)
	f.checkInstances(must)
	return found
}

func (f *results) checkCalls(must func(bool, string, ...any)) {
	must(len(f.calls) > callers, "only %d calls were made", len(f.calls))
	for i, call := range f.calls {
		t, ok := f.tasks[call.task]
		switch {
		case call.err != nil:
			must(false, "call %d failed: %v", i, call.err)
		case !ok:
			must(false, "call %d: there is no task %q", i, call.task)
		default:
			must(t.order == firstCalled+int64(i), "call %d: its task %s is order %d", i, call.task, t.order)
			must(equal(call.receipt, t.receipt), "call %d was answered with %v, its task says %v", i, call.receipt, t.receipt)
		}
	}
	for i, n := range f.requests {
		must(n > 0, "server %d took no request", i+1)
	}
}

func equal(a, b tools.Receipt) bool {
	return a.Tracking == b.Tracking && slices.Equal(a.DoneBy, b.DoneBy)
}

func (f *results) checkOrders(must func(bool, string, ...any)) {
	must(len(f.orders) == orders, "there are %d orders, want %d", len(f.orders), orders)
	must(f.refused >= killOrder, "the producer was refused %d orders, and had taken %d when it was killed", f.refused, killOrder)
	for number, id := range f.orders {
		t, ok := f.tasks[id]
		must(ok && t.order == number, "order %d has no task of its own: %q", number, id)
	}
	for number, id := range f.announced {
		must(f.orders[number] == id, "the producer said that order %d is task %s: it is %q", number, id, f.orders[number])
	}
}

// checkLeft checks that others continued the tasks of the dead worker after its last step.
func (f *results) checkLeft(must func(bool, string, ...any)) {
	must(len(f.left) > 0, "the worker was killed with no task half done")
	for _, id := range f.left {
		by := f.tasks[id].receipt.DoneBy
		must(len(by) == 3 && by[0] == f.victim() && by[1] != by[0] && by[2] != by[0],
			"task %s was begun by %s, which was killed then: its steps were done by %v", id, f.victim(), by)
	}
}

// victim returns the name of the killed process in receipts.
func (f *results) victim() string {
	for _, l := range f.instances {
		if l.killed {
			return l.process
		}
	}
	return ""
}

func (f *results) checkInstances(must func(bool, string, ...any)) {
	restarts := make(map[string]int)
	for _, l := range f.instances {
		restarts[l.name]++
		must(l.drained || !l.underLoad, "%s (process %d) was not unready while it drained", l.name, l.pid)
		if l.finishes >= 0 {
			must(l.finishes == f.finishedBy(l), "%s (process %d) counts %d tasks that it finished; it was %d", l.name, l.pid, l.finishes, f.finishedBy(l))
		}
	}
	for name, n := range restarts {
		must(n >= 2, "%s was not restarted", name)
	}
}

func (f *results) finishedBy(l *instance) (n int) {
	for _, t := range f.tasks {
		if t.finishedBy == l.process {
			n++
		}
	}
	return n
}

// narrate prints who worked a task that a killed worker left.
func (f *results) narrate(s *progressLog) {
	if len(f.left) == 0 {
		return
	}
	t := f.tasks[f.left[0]]
	verbs := []string{"picked", "packed", "labelled"}
	for i, by := range t.receipt.DoneBy[:min(len(verbs), len(t.receipt.DoneBy))] {
		for _, l := range f.instances {
			if l.process == by {
				s.say("split", "task %s was %s by %s, process %d", f.left[0], verbs[i], l.name, l.pid)
			}
		}
	}
}

// table prints each process and what it did.
func (f *results) table(out io.Writer) {
	fmt.Fprintf(out, "\n%-10s  %7s  %-7s  %s\n", "", "process", "end", "tasks finished")
	for _, l := range f.instances {
		end := "SIGTERM"
		if l.killed {
			end = "kill -9"
		}
		finished := ""
		if n := f.finishedBy(l); n > 0 {
			finished = fmt.Sprint(n)
		}
		if l.finishes >= 0 {
			finished += fmt.Sprintf(" (/metrics says %d)", l.finishes)
		}
		fmt.Fprintf(out, "%-10s  %7d  %-7s  %s\n", l.name, l.pid, end, finished)
	}
	for i, n := range f.requests {
		fmt.Fprintf(out, "server-%d took %d requests\n", i+1, n)
	}
}
