package taskstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Answer stores answers to the open questions of the owner's task, by their keys. If no
// question is open then, it gives the task a fresh job in the same transaction. Keys
// under which no question is open are ignored. If an answer does not match the method and
// the schema of its question, Answer returns ErrInvalid, which names the key, and stores
// nothing.
func (s *Store[TTx]) Answer(ctx context.Context, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) (err error) {
	defer s.op(ctx, telemetry.OpAnswer, 0).end(&err)
	_, err = s.change(ctx, telemetry.Audited{},
		func(tx TTx) (*driver.Locked, error) { return s.lockOwned(ctx, tx, owner, id) },
		func(tx TTx, task *lockedTask) error { return s.storeAnswers(ctx, tx, task, responses) })
	if err != nil {
		return wrap("answer", quotable(id), err)
	}
	return nil
}

// AnswerTx is Answer in the caller's transaction.
func (s *Store[TTx]) AnswerTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) (err error) {
	defer s.op(ctx, telemetry.OpAnswer, 0).end(&err)
	err = s.changeTx(ctx, tx, owner, id, func(task *lockedTask) error { return s.storeAnswers(ctx, tx, task, responses) })
	if err != nil {
		return wrap("answer", quotable(id), err)
	}
	return nil
}

// storeAnswers stores the answers to the open questions of a locked task.
func (s *Store[TTx]) storeAnswers(ctx context.Context, tx TTx, task *lockedTask, responses map[string]json.RawMessage) error {
	if task.Status.Terminal() {
		return nil
	}
	questions, err := s.driver.Questions(ctx, tx, task.ID)
	if err != nil {
		return err
	}
	// All answers are checked before one is stored: the caller may go on with the
	// transaction after an error.
	for key, response := range responses {
		if question, ok := questions[key]; ok && question.Open() {
			if err := question.Check(response); err != nil {
				return fmt.Errorf("%w: the answer to %q: %w", mcptasks.ErrInvalid, key, err)
			}
		}
	}
	open, answered := 0, 0
	for key, question := range questions {
		if !question.Open() {
			continue
		}
		response, ok := responses[key]
		if !ok {
			open++
			continue
		}
		if err := s.driver.Answer(ctx, tx, task.ID, key, validUTF8(response), s.now()); err != nil {
			return err
		}
		answered++
	}
	if answered == 0 {
		return nil
	}
	task.effects.changed, task.effects.action = true, telemetry.AuditAnswer
	// A working task has open questions if the deadline of another question has made it
	// run again. The run finds the answer when it asks.
	if open > 0 || task.Status != mcptasks.StatusInputRequired {
		return nil
	}
	return s.requeueTx(ctx, tx, task, telemetry.SpanAnswer, 0, driver.Event{})
}
