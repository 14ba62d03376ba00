package workers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/riverdb"
)

var errAway = errors.New("the database is away")

// attempts returns a write that returns the results one after the other, and how often
// it was called.
func attempts(results ...any) (write func(context.Context) (bool, error), calls *int) {
	calls = new(int)
	return func(ctx context.Context) (bool, error) {
		result := results[min(*calls, len(results)-1)]
		*calls++
		if err, failed := result.(error); failed {
			return false, err
		}
		return result.(bool), ctx.Err()
	}, calls
}

// The end of a run is written however long the database is away. When a write whose
// reply was lost is repeated, the fence rejects it, since the first one has ended the run.
func TestWrite(t *testing.T) {
	for _, test := range []struct {
		what    string
		results []any
		held    bool
	}{
		{"a write", []any{true}, true},
		{"a run that had lost its task", []any{false}, false},
		{"a write after an outage", []any{errAway, errAway, true}, true},
		{"a write whose reply was lost", []any{errAway, false}, true},
	} {
		withRun(t, func(t *testing.T, r *run, _ *recorded) {
			write, calls := attempts(test.results...)
			held, err := r.workers.write(t.Context(), r, write)
			if held != test.held || err != nil || *calls != len(test.results) {
				t.Errorf("%s: held %t, %v after %d attempts", test.what, held, err, *calls)
			}
		})
	}
}

// Once the node's grace is over, a write is tried once and not repeated.
func TestWriteGivesUp(t *testing.T) {
	withRun(t, func(t *testing.T, r *run, _ *recorded) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		write, calls := attempts(errAway)
		if held, err := r.workers.write(ctx, r, write); held || !errors.Is(err, context.Canceled) || *calls != 1 {
			t.Errorf("held %t, %v after %d attempts", held, err, *calls)
		}
		write, _ = attempts(true)
		if held, err := r.workers.write(ctx, r, write); !held || err != nil {
			t.Errorf("a write that succeeds: held %t, %v", held, err)
		}
	})
}

// What a run did is recorded for as long as the run lasts, even if the handler's own
// context has ended.
func TestPersist(t *testing.T) {
	for _, test := range []struct {
		what    string
		results []any
		want    error
	}{
		{"a write", []any{true}, nil},
		{"a write after an outage", []any{errAway, errAway, true}, nil},
		{"a write that the database can never store", []any{mcptasks.ErrInvalid}, mcptasks.ErrInvalid},
	} {
		withRun(t, func(t *testing.T, r *run, _ *recorded) {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			write, calls := attempts(test.results...)
			err := r.persist(ended, "step", write)
			if !errors.Is(err, test.want) || *calls != len(test.results) {
				t.Errorf("%s: %v after %d attempts, want %v", test.what, err, *calls, test.want)
			}
		})
	}
	withRun(t, func(t *testing.T, r *run, _ *recorded) {
		r.cancel(mcptasks.ErrShutdown)
		write, calls := attempts(errAway)
		if err := r.persist(t.Context(), "step", write); !errors.Is(err, mcptasks.ErrShutdown) || *calls != 1 {
			t.Errorf("a run that has ended: %v after %d attempts", err, *calls)
		}
	})
}

// A node that the others treat as dead claims no task: they would recover it at once.
func TestDeadNodeClaimsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(&recorded{}, mcptasks.NewTools(), config.Default(), "here") // Claim panics
		w.heartbeat = &heartbeat{config: w.config, last: time.Now()}
		time.Sleep(w.config.Lease() + 1)
		err := w.work(t.Context(), &river.Job[riverdb.JobArgs]{})
		var snooze *river.JobSnoozeError
		if !errors.As(err, &snooze) || snooze.Duration < elsewhereDelay || snooze.Duration > 2*elsewhereDelay {
			t.Errorf("the job's work returned %v", err)
		}
	})
}
