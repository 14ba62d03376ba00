package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Step runs fn, records its result and returns it. If an earlier run of the task has
// recorded a result under the key, Step returns that one and does not call fn. The key
// is unique within the task. The result goes through JSON before Step returns it, in the
// first run as in all later ones.
//
// fn runs at least once. The result is recorded before Step returns; if the node dies
// between the end of fn and the record, the next run calls fn again. An error of fn is
// returned and not recorded. If ctx has ended, or the run has lost its task, Step
// returns the cause: ErrCancelled, ErrSuperseded, ErrShutdown or ErrRunTimeout.
//
// The record does not join a transaction of fn. Step is safe for concurrent use: two
// concurrent steps with the same key both call fn, and both return the result that was
// recorded first.
func Step[T any](ctx context.Context, run *Run, key string, fn func(context.Context) (T, error)) (value T, err error) {
	if key == "" {
		return value, errors.New("mcptasks: Step: the key is empty")
	}
	if result, ok := run.state.Step(key); ok {
		return decodeStep[T](key, result)
	}
	if err := context.Cause(ctx); err != nil {
		return value, err
	}
	ctx, span := telemetry.Step(ctx, key)
	defer func() { telemetry.End(span, err) }()
	began := time.Now()
	value, err = fn(ctx)
	if err != nil {
		return value, err
	}
	result, err := json.Marshal(value)
	if err != nil {
		return value, Permanent(fmt.Errorf("mcptasks: Step %q: the result is not JSON: %w", key, err))
	}
	recorded, err := run.state.SaveStep(ctx, key, result, began)
	if err != nil {
		return value, fmt.Errorf("mcptasks: Step %q: %w", key, err)
	}
	return decodeStep[T](key, recorded)
}

func decodeStep[T any](key string, result json.RawMessage) (T, error) {
	var value T
	if err := json.Unmarshal(result, &value); err != nil {
		return value, Permanent(fmt.Errorf("mcptasks: Step %q: the recorded result is not a %T: %w", key, value, err))
	}
	return value, nil
}
