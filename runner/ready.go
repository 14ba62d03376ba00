package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/migrations"
)

const (
	readyLimit   = 5 * time.Second  // within which the database must answer
	schemaExpiry = 30 * time.Second // for which a good schema is not checked again
)

// phase is how far a node is from Open to Close.
type phase int

const (
	serving phase = iota
	draining
	closed
)

// readiness is what Ready knows before it asks the database.
type readiness struct {
	check func(context.Context) error // of the schema

	mu        sync.Mutex
	phase     phase
	checkedAt time.Time // when the schema was last found good
}

func (r *readiness) is(p phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = p
}

// Ready returns nil if the node can serve: it is not stopping, the database answers within
// five seconds and has the schema, and, if the node is started, the other nodes treat it
// as alive. The error's text is a plain sentence that shows nothing of the database; the
// error that it wraps is for the log. Ready may be called every second: it checks the
// schema twice a minute.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	n.ready.mu.Lock()
	now := n.ready.phase
	n.ready.mu.Unlock()
	switch {
	case now == draining:
		return &unready{"the node is stopping", nil}
	case now == closed:
		return &unready{"the node is closed", nil}
	case n.workers.Dead():
		return &unready{"the node has sent no heartbeat for its lease; other nodes run its tasks", nil}
	}
	if err := n.store.Ping(ctx); err != nil {
		return &unready{"the database does not answer", err}
	}
	return n.ready.schema(ctx)
}

// schema checks the schema, unless it did so a moment ago. A newer schema is good: during
// a roll-out the schema is migrated before the last old node stops.
func (r *readiness) schema(ctx context.Context) error {
	r.mu.Lock()
	fresh := time.Since(r.checkedAt) < schemaExpiry
	r.mu.Unlock()
	if fresh {
		return nil
	}
	err := r.check(ctx)
	switch {
	case errors.Is(err, migrations.ErrOldSchema):
		return &unready{"the database schema is older than this release", err}
	case err != nil && !errors.Is(err, migrations.ErrNewSchema):
		return &unready{"the database schema could not be checked", err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkedAt = time.Now()
	return nil
}

// unready is why a node is not ready.
type unready struct {
	sentence string
	cause    error
}

func (e *unready) Error() string { return "mcptasks: " + e.sentence }
func (e *unready) Unwrap() error { return e.cause }
