package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/backoff"
)

// locked runs fn while no other process migrates the schema.
func locked(ctx context.Context, db DB, op string, fn func(context.Context, *Handle) error) error {
	unlock, err := db.LockMigrations(ctx)
	if err != nil {
		return wrap(op, err)
	}
	defer unlock()
	h, err := db.Migrating(ctx, quiet)
	if err != nil {
		return wrap(op, err)
	}
	defer func() { _ = h.Close() }()
	return wrap(op, fn(ctx, h))
}

const (
	lockPatience = 5 * time.Minute
	lockPause    = 500 * time.Millisecond // statements that queued behind the migration run meanwhile
)

// patiently repeats a migration that ended because another session held a lock.
func patiently(ctx context.Context, migrate func() error) error {
	deadline := time.Now().Add(lockPatience)
	var err error
	for range backoff.Attempts(ctx, lockPause, lockPause) {
		if err = migrate(); !isLocked(err) {
			return err
		}
		if time.Now().After(deadline) {
			return &mcptasks.Error{
				Op: "migrate", Err: fmt.Errorf("a table stayed locked by another session for %s: %w", lockPatience, err),
				Hint: "find the transaction that has been open for long in pg_stat_activity, and end it",
			}
		}
	}
	return errors.Join(ctx.Err(), err)
}

// isLocked reports whether Postgres gave up waiting for a lock.
func isLocked(err error) bool {
	const lockNotAvailable = "55P03"
	var state interface{ SQLState() string }
	return errors.As(err, &state) && state.SQLState() == lockNotAvailable
}
