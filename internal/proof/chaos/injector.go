//go:build unix

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
	"github.com/mcptasks/mcptasks/internal/proof/chaos/schedule"
)

// injector injects the faults of the schedule. The faults of one target follow each
// other, however long each takes. Those of different targets may overlap.
type injector struct {
	nodes   map[string]*managedNode
	proxies map[string]*proxy // by node; none on SQLite
	cluster *cluster

	mu       sync.Mutex
	faults   []history.Fault
	troubles []error // faults that could not be injected, for example a node that did not stop
}

// run returns when the last fault is over and all nodes run.
func (i *injector) run(ctx context.Context, faults []schedule.Fault) {
	began := time.Now()
	queues := make(map[string][]schedule.Fault)
	for _, f := range faults {
		queue := f.Target
		switch f.Kind {
		case schedule.Terminate, schedule.DropFetch, schedule.DropReply:
			queue = "connections"
		}
		queues[queue] = append(queues[queue], f)
	}
	var all sync.WaitGroup
	for _, queue := range queues {
		all.Go(func() {
			for _, f := range queue {
				pause(ctx, time.Until(began.Add(f.At)))
				if ctx.Err() != nil {
					return
				}
				if err := i.do(ctx, f); err != nil && ctx.Err() == nil {
					i.mu.Lock()
					i.troubles = append(i.troubles, fmt.Errorf("%s: %w", f, err))
					i.mu.Unlock()
				}
			}
		})
	}
	all.Wait()
}

func (i *injector) do(ctx context.Context, f schedule.Fault) error {
	m, from := i.nodes[f.Target], time.Now()
	switch f.Kind {
	case schedule.Kill:
		return m.kill(ctx, f.For)
	case schedule.Freeze:
		m.freeze(ctx, f.For)
	case schedule.Restart:
		return m.restart(ctx)
	case schedule.Refuse:
		i.each((*proxy).refuse, true)
		pause(ctx, f.For)
		i.each((*proxy).refuse, false)
		i.note(history.Outage, "", from)
	case schedule.Blackhole:
		i.each((*proxy).stall, true)
		pause(ctx, f.For)
		i.each((*proxy).stall, false)
		i.note(history.Outage, "", from)
	case schedule.Fast, schedule.Immediate:
		defer i.note(history.Crash, "", from)
		return i.cluster.Restart(ctx, f.Kind)
	case schedule.Terminate:
		if i.cluster.terminate(ctx, f.Target) == nil { // the server itself may be away
			i.note(history.Terminate, f.Target, from)
		}
	case schedule.DropFetch:
		i.proxies[f.Target].dropFetch.Add(1)
	case schedule.DropReply:
		i.proxies[f.Target].dropReply.Add(1)
	}
	return nil
}

func (i *injector) each(do func(*proxy, bool), on bool) {
	for _, p := range i.proxies {
		do(p, on)
	}
}

// note records a fault of a node's connections or of the database.
func (i *injector) note(kind, node string, from time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = append(i.faults, history.Fault{Kind: kind, Node: node, From: from.UnixNano(), To: time.Now().UnixNano()})
}

// done returns all faults that were injected.
func (i *injector) done() []history.Fault {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := i.faults
	for _, m := range i.nodes {
		m.mu.Lock()
		all = append(all, m.faults...)
		m.mu.Unlock()
	}
	return all
}

// allTroubles returns the faults that could not be injected, and the nodes that ended
// without one.
func (i *injector) allTroubles() []error {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := i.troubles
	for _, m := range i.nodes {
		m.mu.Lock()
		all = append(all, m.exits...)
		m.mu.Unlock()
	}
	return all
}
