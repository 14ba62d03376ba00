package workers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/store"
)

// heartbeat beats for a node, and knows how well it does: a node that cannot reach the
// database must neither hold others for dead nor go on for long as if it were alive.
type heartbeat struct {
	store  store.Backend
	node   store.Node
	config *config.Config
	log    *slog.Logger

	beating sync.Mutex // one beat at a time

	mu    sync.Mutex
	since time.Time // of the first of the beats that have succeeded without a gap
	last  time.Time // when the last that succeeded was sent
	clock clock
	apart bool // the database's clock and ours have been told to differ
}

// beat beats once. A jump of the database's clock is a gap.
func (h *heartbeat) beat(ctx context.Context) error {
	h.beating.Lock()
	defer h.beating.Unlock()
	ctx, cancel := context.WithTimeout(ctx, h.config.HeartbeatInterval)
	defer cancel()
	sent := time.Now()
	at, err := h.store.Beat(ctx, h.node)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	jump := h.clock.tick(sent, time.Now(), at)
	if jump.Abs() > h.config.HeartbeatInterval/2 {
		h.log.WarnContext(ctx, "mcptasks: the database's clock jumped; this node holds no other for dead until it has beaten for a lease",
			"node", h.node.ID, "jump", jump)
	}
	if sent.Sub(h.last) > h.gap() || jump.Abs() > h.config.HeartbeatInterval/2 {
		h.since = sent
	}
	h.last = sent
	h.compareClocks(ctx)
	return nil
}

// compareClocks tells, once, when the database's clock and ours begin to differ by
// more than a lease, and when they agree again.
func (h *heartbeat) compareClocks(ctx context.Context) {
	ahead := h.clock.ahead()
	switch apart := ahead.Abs() > h.config.Lease(); {
	case apart && !h.apart:
		h.log.ErrorContext(ctx, "mcptasks: this machine's clock and the database's differ; until they agree this node ends no tasks by time. Set both by NTP",
			"node", h.node.ID, "database_ahead", ahead)
	case !apart && h.apart:
		h.log.InfoContext(ctx, "mcptasks: this machine's clock and the database's agree again", "node", h.node.ID)
	}
	h.apart = ahead.Abs() > h.config.Lease()
}

// ahead returns by how much the database's clock is ahead of ours, and whether that is
// too much to end tasks by ours.
func (h *heartbeat) ahead() (d time.Duration, tooFar bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock.ahead(), h.apart
}

// gap is the time between two beats from which on they do not follow each other.
func (h *heartbeat) gap() time.Duration {
	return h.config.HeartbeatInterval + h.config.HeartbeatInterval/2
}

// run beats until ctx ends, and calls cutOff each time while the node is dead to the
// others.
func (h *heartbeat) run(ctx context.Context, cutOff func()) {
	ticker := time.NewTicker(h.config.HeartbeatInterval)
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
func (h *heartbeat) dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) > h.config.Lease()
}

// steady says whether the node's beats have succeeded without a gap for a whole
// lease, until now: only then is another node's silence that node's, not the
// database's.
func (h *heartbeat) steady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) <= h.gap() && h.last.Sub(h.since) >= h.config.Lease()
}

// confirm beats, and says whether the node is steady then: what was read of the nodes
// before was not read by a clock that had jumped.
func (h *heartbeat) confirm(ctx context.Context) bool { return h.beat(ctx) == nil && h.steady() }
