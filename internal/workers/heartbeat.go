package workers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// heartbeat sends a node's heartbeats and knows how they went. A node that cannot reach
// the database must not treat the others as dead, and must end its own runs after a
// lease, since the others treat it as dead then.
type heartbeat struct {
	store  taskstore.Backend
	node   driver.Node
	config *config.Config
	log    *slog.Logger

	sending sync.Mutex // one heartbeat at a time

	mu    sync.Mutex
	since time.Time // when the first was sent of those that have succeeded without a gap
	last  time.Time // when the last that succeeded was sent
	clock clock
	apart bool // the log says that the database's clock and ours differ
}

// send sends one heartbeat. A jump of the database's clock counts as a gap.
func (h *heartbeat) send(ctx context.Context) error {
	h.sending.Lock()
	defer h.sending.Unlock()
	interval := h.config.HeartbeatInterval
	ctx, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	sent := time.Now()
	at, err := h.store.Heartbeat(ctx, h.node)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	jump := h.clock.tick(sent, time.Now(), at)
	jumped := jump.Abs() > interval/2
	if jumped {
		h.log.WarnContext(ctx, "mcptasks: the database's clock jumped; this node recovers no other node's tasks until its heartbeats have succeeded for a lease",
			"node", h.node.ID, "jump", jump)
	}
	if jumped || sent.Sub(h.last) > h.gap() {
		h.since = sent
	}
	h.last = sent
	h.compareClocks(ctx)
	return nil
}

// compareClocks logs, once, that the database's clock and ours begin to differ by more
// than a lease, and, once, that they agree again.
func (h *heartbeat) compareClocks(ctx context.Context) {
	ahead := h.clock.ahead()
	apart := ahead.Abs() > h.config.Lease()
	switch {
	case apart && !h.apart:
		h.log.ErrorContext(ctx, "mcptasks: this machine's clock and the database's differ; until they agree this node ends no tasks by time. Set both by NTP",
			"node", h.node.ID, "database_ahead", ahead)
	case !apart && h.apart:
		h.log.InfoContext(ctx, "mcptasks: this machine's clock and the database's agree again", "node", h.node.ID)
	}
	h.apart = apart
}

// ahead returns by how much the database's clock is ahead of ours, and whether that is
// too much to end tasks by ours.
func (h *heartbeat) ahead() (d time.Duration, tooFar bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock.ahead(), h.apart
}

// gap is the longest time between two heartbeats that counts as no interruption.
func (h *heartbeat) gap() time.Duration {
	return h.config.HeartbeatInterval + h.config.HeartbeatInterval/2
}

// run sends heartbeats until ctx ends. It calls cutOff at each interval at which the
// others treat the node as dead.
func (h *heartbeat) run(ctx context.Context, cutOff func()) {
	ticker := time.NewTicker(h.config.HeartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if h.dead() { // asked before the next heartbeat, since the process may have been frozen
			cutOff()
		}
		if err := h.send(ctx); err != nil && ctx.Err() == nil {
			h.log.WarnContext(ctx, "mcptasks: a heartbeat failed", "node", h.node.ID, "error", err)
		}
	}
}

// dead reports whether no heartbeat has succeeded for a lease: the others treat the node
// as dead.
func (h *heartbeat) dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) > h.config.Lease()
}

// steady reports whether heartbeats have succeeded without a gap for a whole lease, until
// now. Otherwise another node may be silent because of the database, not because it died.
func (h *heartbeat) steady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) <= h.gap() && h.last.Sub(h.since) >= h.config.Lease()
}

// confirm sends a heartbeat and reports whether the node is steady afterwards. What was
// read of the other nodes before it was then not read by a clock that had jumped.
func (h *heartbeat) confirm(ctx context.Context) bool { return h.send(ctx) == nil && h.steady() }
