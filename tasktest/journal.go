package tasktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mcptasks/mcptasks"
)

// journal is a run's hold on its task: what the run records goes through it, and
// nothing does once the hold is lost. The task's mu guards it.
type journal struct {
	task *Task
	ctx  context.Context // the run's
	end  context.CancelCauseFunc
	plan *plan
	lost error // why nothing more of this run counts
}

var _ mcptasks.Journal = (*journal)(nil)

func (j *journal) Report(p mcptasks.Progress) {
	j.task.mu.Lock()
	defer j.task.mu.Unlock()
	if j.refusal() == nil {
		j.task.progress = append(j.task.progress, p)
	}
}

func (j *journal) SaveStep(_ context.Context, key string, result json.RawMessage) (json.RawMessage, error) {
	j.task.mu.Lock()
	defer j.task.mu.Unlock()
	j.task.stepRuns[key]++
	j.reached(key, false)
	if err := j.refusal(); err != nil {
		return nil, err
	}
	if !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
		return nil, fmt.Errorf("%w: the step's key is not text", mcptasks.ErrInvalid)
	}
	if _, ok := j.task.steps[key]; !ok {
		j.task.steps[key] = slices.Clone(result)
		j.task.order = append(j.task.order, key)
	}
	j.reached(key, true)
	if errors.Is(j.lost, ErrKilled) {
		return nil, ErrKilled // a dead process does not go on, not even to its next line
	}
	return slices.Clone(j.task.steps[key]), nil
}

// refusal is why the run may not write. A shutdown is no reason: the run holds
// its task until it returns.
func (j *journal) refusal() error {
	if j.lost != nil {
		return j.lost
	}
	if cause := context.Cause(j.ctx); errors.Is(cause, mcptasks.ErrRunTimeout) {
		return cause
	}
	return nil
}

// lose ends the run and takes its task away from it.
func (j *journal) lose(cause error) {
	if j.lost == nil {
		j.lost = cause
	}
	j.end(cause)
}

// reached does what is planned for this point of the run, once.
func (j *journal) reached(key string, recorded bool) {
	if p := j.plan; p != nil && !p.done && p.key == key && p.recorded == recorded {
		p.done = true
		p.act(j)
	}
}
