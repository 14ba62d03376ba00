//go:build unix

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/examples/split/tools"
)

const (
	dead   = "host/1" // the worker that is killed
	second = "host/2" // the one in its place
	other  = "host/3"
)

// good is what a run sees when all is well: twelve calls and all orders, of which the
// dead worker left one call half done.
func good() *results {
	f := &results{
		requests: []int64{30, 30}, refused: killOrder, left: []string{"call 0"},
		announced: make(map[int64]string), orders: make(map[int64]string), tasks: make(map[string]task),
		instances: []*instance{
			{name: "worker-1", process: dead, killed: true, finishes: -1},
			{name: "worker-1", process: second, finishes: 11},
			{name: "worker-2", process: other, underLoad: true, drained: true, finishes: -1},
			{name: "worker-2", process: "host/4", finishes: orders + 1},
			{name: "server-1", process: "host/5", underLoad: true, drained: true, finishes: -1},
			{name: "server-1", process: "host/6", finishes: -1},
		},
	}
	done := func(id string, order int64, by ...string) tools.Receipt {
		receipt := tools.Receipt{Tracking: fmt.Sprint("parcel ", order), DoneBy: by}
		f.tasks[id] = task{status: "completed", order: order, receipt: receipt, finishedBy: by[2]}
		return receipt
	}
	for i := range 12 {
		id, by := fmt.Sprint("call ", i), []string{second, second, second}
		if i == 0 {
			by = []string{dead, "host/4", "host/4"}
		}
		f.calls = append(f.calls, call{task: id, receipt: done(id, firstCalled+int64(i), by...)})
	}
	for n := int64(1); n <= orders; n++ {
		id := fmt.Sprint("order ", n)
		f.orders[n], f.announced[n] = id, id
		done(id, n, "host/4", "host/4", "host/4")
	}
	return f
}

func TestGoodRunPasses(t *testing.T) {
	if complaints := good().complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
	// The producer was killed after a commit that it could not tell of any more.
	f := good()
	delete(f.announced, 11)
	if complaints := f.complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
}

func TestBadRunFails(t *testing.T) {
	edit := func(f *results, id string, change func(*task)) {
		one := f.tasks[id]
		change(&one)
		f.tasks[id] = one
	}
	for want, spoil := range map[string]func(*results){
		"only 8 calls":                           func(f *results) { f.calls = f.calls[:callers] },
		"call 3 failed: refused":                 func(f *results) { f.calls[3].err = errors.New("refused") },
		`there is no task "call 3"`:              func(f *results) { delete(f.tasks, "call 3") },
		"its task call 4 is order 1000004":       func(f *results) { f.calls[3] = f.calls[4] },
		"call 3 was answered with":               func(f *results) { f.calls[3].receipt.Tracking = "parcel 8" },
		"server 2 took no request":               func(f *results) { f.requests[1] = 0 },
		"there are 39 orders":                    func(f *results) { delete(f.orders, 7) },
		"was refused 9 orders":                   func(f *results) { f.refused-- },
		"order 7 has no task of its own":         func(f *results) { f.orders[7] = "order 8" },
		"said that order 7 is task gone":         func(f *results) { f.announced[7] = "gone" },
		"there are 53 tasks of 12 calls":         func(f *results) { f.tasks["more"] = task{status: "completed"} },
		"task order 7 is working":                func(f *results) { edit(f, "order 7", func(t *task) { t.status = "working" }) },
		"killed with no task half done":          func(f *results) { f.left = nil },
		"its steps were done by [host/4 host/4 ": func(f *results) { f.left = []string{"order 7"} },
		"its steps were done by [host/1 host/1 ": func(f *results) { edit(f, "call 0", func(t *task) { t.receipt.DoneBy = []string{dead, dead, other} }) },
		"its steps were done by []":              func(f *results) { edit(f, "call 0", func(t *task) { t.receipt.DoneBy = nil }) },
		"worker-2 (process 0) was not unready":   func(f *results) { f.instances[2].drained = false },
		"counts 10 tasks that it finished":       func(f *results) { f.instances[1].finishes = 10 },
		"server-1 was not restarted":             func(f *results) { f.instances = f.instances[:5] },
	} {
		f := good()
		spoil(f)
		if said := strings.Join(f.complaints(), "; "); !strings.Contains(said, want) {
			t.Errorf("want a complaint with %q, got %q", want, said)
		}
	}
}
