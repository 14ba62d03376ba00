package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
)

// observations has the client's answers and the log lines of the two processes.
type observations struct {
	steps         int // of the task, a second each
	first, second int // the processes' ids

	answeredIn         time.Duration // from the call to the answer with the task
	startedID, endedID string

	statusAtKill mcptasks.Status // in the last answer before the kill
	doneAtKill   int             // steps that it reported done
	killed       bool            // the first process was ended by the kill

	endedAs mcptasks.Status
	isError bool
	text    string

	mu   sync.Mutex
	runs []stepRun    // in the order of the logs
	next chan stepRun // the same, while it has room
}

// A stepRun is a log line of a process that began to run a step.
type stepRun struct {
	pid, step int
	task      string
}

var (
	stepLine   = regexp.MustCompile(`process (\d+) runs step (\d+) of task (\S+)$`)
	resultLine = regexp.MustCompile(`^step (\d+) on .* by process (\d+)$`)
)

func parseStepRun(line string) (stepRun, bool) {
	m := stepLine.FindStringSubmatch(line)
	if m == nil {
		return stepRun{}, false
	}
	pid, err1 := strconv.Atoi(m[1])
	step, err2 := strconv.Atoi(m[2])
	return stepRun{pid: pid, step: step, task: m[3]}, err1 == nil && err2 == nil
}

// note adds a run. It is safe for concurrent use.
func (o *observations) note(run stepRun) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.runs = append(o.runs, run)
	select {
	case o.next <- run:
	default:
	}
}

// began returns when a process begins to run the step or a later one.
func (o *observations) began(ctx context.Context, step int) error {
	for {
		select {
		case run := <-o.next:
			if run.step >= step {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("step %d was not begun: %w", step, context.Cause(ctx))
		}
	}
}

// ranIn returns the processes that ran the step, once for each run.
func (o *observations) ranIn(step int) []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	var pids []int
	for _, run := range o.runs {
		if run.step == step && run.task == o.startedID {
			pids = append(pids, run.pid)
		}
	}
	return pids
}

// recordedIn returns, by step, the process that did what the result has.
func (o *observations) recordedIn() (map[int]int, error) {
	recorded := make(map[int]int)
	for line := range strings.Lines(o.text) {
		m := resultLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			return nil, fmt.Errorf("the result has a line that is no step's: %q", line)
		}
		step, err1 := strconv.Atoi(m[1])
		pid, err2 := strconv.Atoi(m[2])
		if _, twice := recorded[step]; twice || err1 != nil || err2 != nil || step < 1 || step > o.steps {
			return nil, fmt.Errorf("the result has a line too many: %q", line)
		}
		recorded[step] = pid
	}
	return recorded, nil
}

// recordedBy returns how many steps of the result the process did.
func (o *observations) recordedBy(pid int) int {
	count := 0
	recorded, _ := o.recordedIn() // complaints reports the error
	for _, by := range recorded {
		if by == pid {
			count++
		}
	}
	return count
}

// complaints returns what was wrong.
func (o *observations) complaints() []string {
	var found []string
	must := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	must(o.steps >= 5, "a task of %d seconds is too short to show anything", o.steps)
	must(o.answeredIn > 0 && o.answeredIn < time.Second, "the handle took %s, want less than a second", o.answeredIn)

	must(o.killed, "the first process was not ended by the kill")
	must(o.first > 0 && o.second > 0 && o.first != o.second, "the processes are %d and %d, want two", o.first, o.second)
	must(o.statusAtKill == mcptasks.StatusWorking, "the task was %s when its process was killed, want working", o.statusAtKill)
	must(o.doneAtKill > 0, "no progress was seen before the kill")
	must(o.doneAtKill < o.steps, "all %d steps were done before the kill", o.steps)

	must(o.startedID != "" && o.endedID == o.startedID, "task %q was started, task %q ended", o.startedID, o.endedID)
	must(o.endedAs == mcptasks.StatusCompleted, "the task ended as %s, want completed", o.endedAs)
	must(!o.isError, "the result is an error: %s", o.text)

	recorded, err := o.recordedIn()
	if err != nil {
		return append(found, err.Error())
	}
	var repeated []int
	for step := 1; step <= o.steps; step++ {
		ran := o.ranIn(step)
		by, ok := recorded[step]
		must(ok, "the result does not name step %d", step)
		must(slices.Contains(ran, by), "step %d: the result is of process %d, the logs say it ran in %v", step, by, ran)
		must(step > o.doneAtKill || by == o.first, "step %d was done before the kill, but its result is of process %d", step, by)
		must(by != o.first || len(ran) == 1, "step %d was recorded by process %d and ran in %v", step, o.first, ran)
		if len(ran) > 1 {
			repeated = append(repeated, step)
			must(slices.Equal(ran, []int{o.first, o.second}), "step %d ran in %v", step, ran)
		}
	}
	must(len(repeated) <= 1, "steps %v ran twice, and only one can have been in flight at the kill", repeated)
	must(slices.ContainsFunc(o.runs, func(run stepRun) bool { return run.pid == o.second }), "the second process ran no step: the kill was not in mid-task")
	return found
}
