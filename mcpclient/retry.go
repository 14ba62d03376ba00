package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second

	// maxUnclear limits attempts in a row that fail with an error which may or may not
	// pass, such as "internal error".
	maxUnclear = 8
)

// retry runs op until it succeeds or fails for good, ctx ends, or the session is
// closed. It repeats op after transient errors without a limit. Each attempt may take
// at most limit; 0 is no limit. The pauses have jitter, unlike those of internal/backoff:
// the clients of a server that restarts must not all come back at the same time.
func (s *Session) retry(ctx context.Context, limit time.Duration, op func(context.Context) error) error {
	unclear := 0
	for backoff := firstBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := attempt(ctx, limit, op)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		var passing *transient
		switch {
		case isPermanent(err):
			return err
		case errors.As(err, &passing):
			unclear = 0
		default:
			if unclear++; unclear == maxUnclear {
				return err
			}
		}
		jitter := time.Duration(rand.Int64N(int64(backoff / 4)))
		select {
		case <-time.After(backoff + jitter):
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return errClosed
		}
	}
}

func attempt(ctx context.Context, limit time.Duration, op func(context.Context) error) error {
	if limit == 0 {
		return op(ctx)
	}
	trying, stop := context.WithTimeout(ctx, limit)
	defer stop()
	err := op(trying)
	if err != nil && trying.Err() != nil && ctx.Err() == nil {
		return &transient{fmt.Errorf("no answer within %s: %w", limit, err)}
	}
	return err
}
