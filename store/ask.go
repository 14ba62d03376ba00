package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Park stores a run's open questions and makes its task wait for their answers,
// in one transaction: the task has no job then, and no worker. It returns whether
// the run still held its task, and whether the task was parked: it is not if
// all the questions have been answered meanwhile.
func (s *Store[TTx]) Park(ctx context.Context, fence Fence, questions map[string]mcptasks.Question, within time.Duration) (parked, held bool, err error) {
	defer s.op(ctx, telemetry.OpPark, 0).end(&err)
	now, keys := s.now(), slices.Sorted(maps.Keys(questions))
	asked := make([]Asked, 0, len(questions))
	for _, key := range keys {
		if !storable(key) {
			return false, false, &mcptasks.Error{
				Op: "park", TaskID: fence.TaskID,
				Err: fmt.Errorf("%w: the question's key must be text of at most %d bytes", mcptasks.ErrInvalid, maxKeyBytes),
			}
		}
		asked = append(asked, Asked{
			Key:        key,
			Method:     questions[key].Method,
			Params:     validUTF8(questions[key].Params),
			DeadlineAt: now.Add(within),
		})
	}
	detail := clean(fmt.Sprintf("until %q are answered", keys), maxDetailBytes)
	err = s.driver.InTx(ctx, func(tx TTx) error {
		all, open, ok, err := s.driver.Park(ctx, tx, fence, asked, detail, now)
		if err == nil && all > s.config.MaxQuestions {
			err = fmt.Errorf("%w: the task has asked %d questions; this server allows %d", mcptasks.ErrInvalid, all, s.config.MaxQuestions)
		}
		parked, held = ok && open > 0, ok
		return err
	})
	if err != nil {
		return false, false, wrap("park", fence.TaskID, err)
	}
	if parked {
		s.notifier.TaskChanged(fence.TaskID)
	}
	return parked, held, nil
}

// Answer stores answers to the open questions of the owner's task, by their keys,
// and when none is open any more gives the task a fresh job, all in one
// transaction. Keys under which no question is open are ignored. An answer that
// is none, by its question's method and schema, is ErrInvalid, which names its
// key, and nothing is stored.
func (s *Store[TTx]) Answer(ctx context.Context, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) (err error) {
	defer s.op(ctx, telemetry.OpAnswer, 0).end(&err)
	var task *Locked
	changed := false
	err = s.driver.InTx(ctx, func(tx TTx) (err error) {
		if task, err = s.lockOwned(ctx, tx, owner, id); err != nil {
			return err
		}
		changed, err = s.storeAnswers(ctx, tx, task, responses)
		return err
	})
	if err != nil {
		return wrap("answer", quotable(id), err)
	}
	if changed {
		s.notifier.TaskChanged(id)
		s.notifier.JobsReadyHere(task.Queue) // if that was the last answer
		s.tell(ctx, task, telemetry.Audited{})
	}
	return nil
}

// AnswerTx is Answer in the caller's transaction.
func (s *Store[TTx]) AnswerTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) (err error) {
	defer s.op(ctx, telemetry.OpAnswer, 0).end(&err)
	task, err := s.lockOwned(ctx, tx, owner, id)
	if err == nil {
		_, err = s.storeAnswers(ctx, tx, task, responses)
	}
	if err != nil {
		return wrap("answer", quotable(id), err)
	}
	s.tell(ctx, task, telemetry.Audited{Tx: true})
	return nil
}

func (s *Store[TTx]) storeAnswers(ctx context.Context, tx TTx, task *Locked, responses map[string]json.RawMessage) (changed bool, err error) {
	if task.Status.Terminal() {
		return false, nil
	}
	questions, err := s.driver.Questions(ctx, tx, task.ID)
	if err != nil {
		return false, err
	}
	for key, response := range responses { // all of them first: the transaction may be the caller's, and go on
		if question, ok := questions[key]; ok && question.Open() {
			if err := question.Check(response); err != nil {
				return false, fmt.Errorf("%w: the answer to %q: %w", mcptasks.ErrInvalid, key, err)
			}
		}
	}
	open := 0
	for key, question := range questions {
		if !question.Open() {
			continue
		}
		response, answered := responses[key]
		if !answered {
			open++
			continue
		}
		if err := s.driver.Answer(ctx, tx, task.ID, key, validUTF8(response), s.now()); err != nil {
			return false, err
		}
		changed = true
		task.done.action = telemetry.AuditAnswer
	}
	// A working task has open questions when another one's deadline has made it
	// run again: the run finds the answer when it asks.
	if open > 0 || !changed || task.Status != mcptasks.StatusInputRequired {
		return changed, nil
	}
	return true, s.requeueTx(ctx, tx, task, telemetry.SpanAnswer, 0, Event{})
}
