package tasktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/question"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// journal records what a run does. It stops recording when the run has lost its task. The
// task's mu guards it.
type journal struct {
	task   *Task
	ctx    context.Context // of the run
	cancel context.CancelCauseFunc
	timer  *time.Timer // for the tool's RunTimeout
	plan   *plan
	lost   error // why the run has lost its task; nil while it has not
}

var _ toolcall.Journal = (*journal)(nil)

func (j *journal) Report(done, total float64, message string) {
	j.task.mu.Lock()
	defer j.task.mu.Unlock()
	if j.ctx.Err() == nil {
		j.task.progress = append(j.task.progress, Progress{Done: done, Total: total, Message: message})
	}
}

func (j *journal) SaveStep(_ context.Context, key string, result json.RawMessage, _ time.Time) (json.RawMessage, error) {
	j.task.mu.Lock()
	defer j.task.mu.Unlock()
	j.task.stepRuns[key]++
	j.reached(key, false)
	if j.lost != nil {
		return nil, j.lost
	}
	// After a shutdown the run still holds its task: the step is recorded.
	if err := wantText("step", key); err != nil {
		return nil, err
	}
	if _, ok := j.task.steps[key]; !ok {
		j.task.steps[key] = slices.Clone(result)
		j.task.order = append(j.task.order, key)
	}
	j.reached(key, true)
	if errors.Is(j.lost, ErrKilled) {
		return nil, ErrKilled // in a dead process Step does not return
	}
	return slices.Clone(j.task.steps[key]), nil
}

func (j *journal) Park(_ context.Context, questions map[string]question.Question) error {
	j.task.mu.Lock()
	defer j.task.mu.Unlock()
	if j.lost != nil {
		return j.lost
	}
	for key := range questions {
		if err := wantText("question", key); err != nil {
			return err
		}
	}
	for key, question := range questions {
		if _, ok := j.task.questions[key]; !ok {
			j.task.questions[key] = question
		}
	}
	j.task.status = mcptasks.StatusInputRequired
	j.lose(mcptasks.ErrParked)
	return context.Cause(j.ctx)
}

// wantText returns an error if a database would not store the key as text.
func wantText(what, key string) error {
	if utf8.ValidString(key) && !strings.ContainsRune(key, 0) {
		return nil
	}
	return mcptasks.Permanent(fmt.Errorf("%w: the %s's key is not text", mcptasks.ErrInvalid, what))
}

// lose ends the run's context, and records nothing more of the run.
func (j *journal) lose(cause error) {
	if j.lost == nil {
		j.lost = cause
	}
	j.cancel(cause)
}

// timeout fails the task at once. It does not wait for the handler, which may ignore its
// context.
func (j *journal) timeout() {
	j.task.mu.Lock()
	defer j.task.mu.Unlock()
	if j.ctx.Err() != nil {
		return
	}
	j.task.finish(failure.TimedOut(j.task.tool.Options.RunTimeout))
	j.lose(mcptasks.ErrRunTimeout)
}

// reached carries out the plan if it is for this point of the run, once.
func (j *journal) reached(key string, recorded bool) {
	if p := j.plan; p != nil && !p.done && p.key == key && p.recorded == recorded {
		p.done = true
		p.act(j)
	}
}
