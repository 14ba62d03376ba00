package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/migrations"
)

const (
	readyLimit   = 5 * time.Second  // for the database's answer to a probe
	schemaExpiry = 30 * time.Second // of a check of the schema that found it in order
)

// phase is where a node is between Open and Close.
type phase int

const (
	serving phase = iota
	draining
	closed
)

// readiness is what Ready knows without asking the database.
type readiness struct {
	check func(context.Context) error // of the schema

	mu        sync.Mutex
	phase     phase
	checkedAt time.Time // when the schema was last found in order
}

func (r *readiness) is(p phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = p
}

// Ready returns nil if the node can do what it is there for: it has not been told
// to stop, the database answers within five seconds and has the schema, and, if the
// node was started, the others hold it for alive. The error's text is a plain
// sentence without the names or the words of the database; what it wraps is for the
// log. Ready may be called every second: it looks at the schema twice a minute.
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
		return &unready{"the node could not beat for its lease; its tasks are run elsewhere", nil}
	}
	if err := n.store.Ping(ctx); err != nil {
		return &unready{"the database does not answer", err}
	}
	return n.ready.schema(ctx)
}

// schema checks the schema, unless it did a moment ago. A newer one is in order:
// while a release is rolled out it is migrated before the last old node stops.
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
