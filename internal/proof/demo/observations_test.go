package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks"
)

const task = "0190b3f0-6d2e-7c4a-9e53-3f5b0c1d2e4f"

// good is what a demo sees when all is well: steps 1 and 2 were recorded by process
// 10, step 3 was in flight when it was killed, and process 20 did the rest.
func good() *observations {
	o := &observations{
		steps: 5, first: 10, second: 20,
		answeredIn: 20 * time.Millisecond,
		startedID:  task, endedID: task,
		statusAtKill: mcptasks.StatusWorking, doneAtKill: 2, killed: true,
		endedAs: mcptasks.StatusCompleted,
	}
	for _, run := range [][2]int{{10, 1}, {10, 2}, {10, 3}, {20, 3}, {20, 4}, {20, 5}} {
		o.note(stepRun{pid: run[0], step: run[1], task: task})
	}
	o.text = text(10, 10, 20, 20, 20)
	return o
}

func text(pids ...int) string {
	var lines []string
	for i, pid := range pids {
		lines = append(lines, fmt.Sprintf("step %d on tides: done at 12:00:0%d by process %d", i+1, i, pid))
	}
	return strings.Join(lines, "\n")
}

func TestGoodDemoPasses(t *testing.T) {
	t.Parallel()
	if complaints := good().complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
	// The kill hit after a step was recorded and before its progress was seen, and between two steps.
	o := good()
	o.runs = append(o.runs[:3:3], o.runs[4:]...)
	o.text = text(10, 10, 10, 20, 20)
	if complaints := o.complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
}

func TestBadDemoFails(t *testing.T) {
	t.Parallel()
	ran := func(o *observations, pid, step int) { o.note(stepRun{pid: pid, step: step, task: task}) }
	for want, spoil := range map[string]func(*observations){
		"too short":                      func(o *observations) { o.steps = 4 },
		"handle took 3s":                 func(o *observations) { o.answeredIn = 3 * time.Second },
		"handle took 0s":                 func(o *observations) { o.answeredIn = 0 },
		"not ended by the kill":          func(o *observations) { o.killed = false },
		"want two":                       func(o *observations) { o.second = 10 },
		"was completed when its process": func(o *observations) { o.statusAtKill = mcptasks.StatusCompleted },
		"no progress was seen":           func(o *observations) { o.doneAtKill = 0 },
		"all 5 steps were done":          func(o *observations) { o.doneAtKill = 5 },
		`task "other" ended`:             func(o *observations) { o.endedID = "other" },
		`task "" was started`:            func(o *observations) { o.startedID, o.endedID = "", "" },
		"ended as failed":                func(o *observations) { o.endedAs = mcptasks.StatusFailed },
		"is an error":                    func(o *observations) { o.isError = true },
		"does not name step 5":           func(o *observations) { o.text = text(10, 10, 20, 20) },
		"does not name step 1":           func(o *observations) { o.text = "" },
		"no step's":                      func(o *observations) { o.text += "\nand more" },
		"a line too many":                func(o *observations) { o.text += "\n" + text(10) },
		"step 2 was recorded by process 10 and ran in [10 20]": func(o *observations) { ran(o, 20, 2) },
		"step 1 was recorded by process 10 and ran in [10 10]": func(o *observations) { ran(o, 10, 1) },
		"step 2 was done before the kill":                      func(o *observations) { o.text = text(10, 20, 20, 20, 20) },
		"step 5 ran in [20 20]":                                func(o *observations) { ran(o, 20, 5) },
		"it ran in [20]":                                       func(o *observations) { o.text = text(10, 10, 20, 10, 20) },
		"steps [3 4] ran twice": func(o *observations) {
			o.runs[4].pid = 10
			ran(o, 20, 4)
		},
		"the second process ran no step": func(o *observations) {
			o.runs = o.runs[:3]
			ran(o, 10, 4)
			ran(o, 10, 5)
			o.text = text(10, 10, 10, 10, 10)
		},
		"it ran in []": func(o *observations) { o.runs = nil },
	} {
		o := good()
		spoil(o)
		if said := strings.Join(o.complaints(), "; "); !strings.Contains(said, want) {
			t.Errorf("want a complaint with %q, got %q", want, said)
		}
	}
}

// Another task's steps are not this one's.
func TestStepRunsAreOfTheTask(t *testing.T) {
	t.Parallel()
	o := good()
	o.note(stepRun{pid: 20, step: 1, task: "other"})
	if complaints := o.complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
}

func TestParseStepRun(t *testing.T) {
	t.Parallel()
	run, ok := parseStepRun("2026/08/01 12:00:00 process 4711 runs step 3 of task " + task)
	if want := (stepRun{4711, 3, task}); !ok || run != want {
		t.Errorf("parsed %+v, %t", run, ok)
	}
	for _, line := range []string{"", "process x runs step 3 of task a", "INFO River client started"} {
		if run, ok := parseStepRun(line); ok {
			t.Errorf("%q parsed as %+v", line, run)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	var got []string
	l := &lines{each: func(line string) { got = append(got, line) }}
	for _, chunk := range []string{"a\nb", "c", "\n\nd\n", "e"} {
		if n, err := l.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if want := []string{"a", "bc", "", "d"}; fmt.Sprint(got) != fmt.Sprint(want) || l.text() != "a\nbc\n\nd\ne" {
		t.Errorf("lines %q of %q, want %q", got, l.text(), want)
	}
}
