package workers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// leaseBeats is how many beats a node may miss before it is dead to the others.
const leaseBeats = 3

// heart beats for a node, and knows how well it does: a node that cannot reach the
// database must neither hold others for dead nor go on for long as if it were alive.
type heart struct {
	store store.Backend
	node  store.Node
	every time.Duration
	log   *slog.Logger

	mu    sync.Mutex
	since time.Time // of the first of the beats that have succeeded without a gap
	last  time.Time // when the last that succeeded was sent
}

func (h *heart) lease() time.Duration { return leaseBeats * h.every }

// beat beats once.
func (h *heart) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.every)
	defer cancel()
	sent := time.Now()
	if err := h.store.Beat(ctx, h.node); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if sent.Sub(h.last) > h.gap() {
		h.since = sent
	}
	h.last = sent
	return nil
}

// gap is the time between two beats from which on they do not follow each other.
func (h *heart) gap() time.Duration { return h.every + h.every/2 }

// run beats until ctx ends, and calls cutOff each time while the node is dead to the
// others.
func (h *heart) run(ctx context.Context, cutOff func()) {
	ticker := time.NewTicker(h.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if h.dead() { // before the beat: the process may have been frozen
			cutOff()
		}
		if err := h.beat(ctx); err != nil && ctx.Err() == nil {
			h.log.WarnContext(ctx, "mcptasks: the node's beat failed", "node", h.node.ID, "error", err)
		}
	}
}

// dead says whether the node has been without a beat for its lease: to the others
// it is dead.
func (h *heart) dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) > h.lease()
}

// steady says whether the node's beats have succeeded without a gap for a whole
// lease, until now: only then is another node's silence that node's, not the
// database's.
func (h *heart) steady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) <= h.gap() && h.last.Sub(h.since) >= h.lease()
}
