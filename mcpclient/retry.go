package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks"
)

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second

	// maxUnclear is how often in a row an error is met that may or may not pass,
	// such as "internal error", before it is believed.
	maxUnclear = 8
)

// persist runs op until it succeeds, fails for good, ctx ends, or the session is
// closed. Trouble on the way to the server passes some day. Each attempt may take
// at most limit, any time if that is 0.
func (s *Session) persist(ctx context.Context, limit time.Duration, op func(context.Context) error) error {
	unclear := 0
	for backoff := firstBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := attempt(ctx, limit, op)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		var way *trouble
		switch {
		case lasts(err):
			return err
		case errors.As(err, &way):
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
		return &trouble{fmt.Errorf("no answer within %s: %w", limit, err)}
	}
	return err
}

// lasts reports whether the error would come again.
func lasts(err error) bool {
	var last *lasting
	if errors.As(err, &last) || errors.Is(err, mcptasks.ErrNotFound) || errors.Is(err, errors.ErrUnsupported) {
		return true
	}
	var answered *refused
	if !errors.As(err, &answered) {
		return false
	}
	switch answered.rpc.Code {
	case jsonrpc.CodeInternalError, codeClosing, codeNone:
		return false
	default:
		return true
	}
}

// Codes of a go-sdk server: it is stopping; a handler's error had no code.
const (
	codeClosing = -32004
	codeNone    = 0
)
