package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// Step runs fn, once for the life of the task as far as can be recorded, and
// returns its result. A later run of the handler gets the result that was
// recorded and fn is not called. The key names the step and is unique within the
// task; T must survive JSON, and what is returned has been through it, on the
// first run as on every later one.
//
// The result is recorded before Step returns. A node that dies between fn's end
// and the record runs fn again: fn is run at least once until it is recorded,
// never again after. An error of fn is returned and not recorded. When ctx has
// ended, or the run has lost its task, Step returns the cause: ErrCancelled,
// ErrSuperseded, ErrShutdown or ErrRunTimeout.
//
// Step does not join a transaction of fn's. It is safe for concurrent use; of two
// concurrent steps with one key both run, and both return the first result recorded.
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
