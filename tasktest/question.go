package tasktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/question"
)

// Questions returns the open questions by their keys, as a client sees them: there are
// none unless the task's status is input_required.
func (t *Task) Questions() map[string]mcptasks.Question {
	t.mu.Lock()
	defer t.mu.Unlock()
	return question.Map[mcptasks.Question](t.open())
}

func (t *Task) open() map[string]question.Question {
	open := make(map[string]question.Question)
	if t.status != mcptasks.StatusInputRequired {
		return open
	}
	for key, q := range t.questions {
		if q.Open() {
			q.Params = slices.Clone(q.Params)
			open[key] = q
		}
	}
	return open
}

// Answer answers the open question with this key, as the client does. The response is
// anything that encoding/json encodes as a result of the question's method: an
// *mcp.ElicitResult, an *mcp.CreateMessageResult, a json.RawMessage. When no question is
// open any more, the status is working and the next Run gets the answers. The test fails
// if no question with this key is open, or if the response is not an answer to it.
func (t *Task) Answer(key string, response any) {
	t.worker.tb.Helper()
	if err := t.answer(key, response); err != nil {
		t.worker.tb.Fatalf("tasktest: Answer(%q): %v", key, err)
	}
}

func (t *Task) answer(key string, response any) error {
	raw, err := json.Marshal(response)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q, err := t.openQuestion(key)
	if err != nil {
		return err
	}
	if err := q.Check(raw); err != nil {
		return err
	}
	q.Response = raw
	t.questions[key] = q
	if len(t.open()) == 0 {
		t.status = mcptasks.StatusWorking
	}
	return nil
}

// Expire lets the deadline of the open question with this key pass. The status is then
// working, even if other questions are open, and in the next Run the handler gets
// ErrUnanswered. The test fails if no question with this key is open.
func (t *Task) Expire(key string) {
	t.worker.tb.Helper()
	if err := t.expire(key); err != nil {
		t.worker.tb.Fatalf("tasktest: Expire(%q): %v", key, err)
	}
}

func (t *Task) expire(key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	q, err := t.openQuestion(key)
	if err != nil {
		return err
	}
	q.Expired = true
	t.questions[key] = q
	t.status = mcptasks.StatusWorking
	return nil
}

// openQuestion returns the question with this key if a client may answer it now, or an
// error that says why not.
func (t *Task) openQuestion(key string) (question.Question, error) {
	q, asked := t.questions[key]
	switch {
	case !asked && len(t.questions) == 0:
		return q, errors.New("the task has asked nothing")
	case !asked:
		return q, fmt.Errorf("there is no such question; the task has asked %q", slices.Sorted(maps.Keys(t.questions)))
	case q.Expired:
		return q, errors.New("the question's deadline has passed")
	case q.Response != nil:
		return q, fmt.Errorf("the question has been answered: %s", q.Response)
	case t.status != mcptasks.StatusInputRequired:
		return q, fmt.Errorf("the task is %s and waits for no answer", t.status)
	default:
		return q, nil
	}
}
