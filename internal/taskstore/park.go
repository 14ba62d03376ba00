package taskstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Park stores a run's open questions and makes its task wait for their answers,
// in one transaction: the task has no job then, and no worker. It returns whether
// the run still held its task, and whether the task was parked: it is not if
// all the questions have been answered meanwhile.
func (s *Store[TTx]) Park(ctx context.Context, fence driver.Fence, questions map[string]mcptasks.Question, within time.Duration) (parked, held bool, err error) {
	defer s.op(ctx, telemetry.OpPark, 0).end(&err)
	now, keys := s.now(), slices.Sorted(maps.Keys(questions))
	asked := make([]driver.Asked, 0, len(questions))
	for _, key := range keys {
		if !storable(key) {
			return false, false, &mcptasks.Error{
				Op: "park", TaskID: fence.TaskID,
				Err: fmt.Errorf("%w: the question's key must be text of at most %d bytes", mcptasks.ErrInvalid, maxKeyBytes),
			}
		}
		asked = append(asked, driver.Asked{
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
