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

// adversary does what the schedule says. The faults of one member follow each
// other, however long each takes; those of different targets meet.
type adversary struct {
	members map[string]*member
	proxies map[string]*proxy // by member; none on SQLite
	cluster *cluster

	mu       sync.Mutex
	faults   []history.Fault
	troubles []error // what could not be done, a node that would not stop for one
}

// run returns when the last fault is over and all members are up.
func (a *adversary) run(ctx context.Context, faults []schedule.Fault) {
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
				if err := a.do(ctx, f); err != nil && ctx.Err() == nil {
					a.mu.Lock()
					a.troubles = append(a.troubles, fmt.Errorf("%s: %w", f, err))
					a.mu.Unlock()
				}
			}
		})
	}
	all.Wait()
}

func (a *adversary) do(ctx context.Context, f schedule.Fault) error {
	m, from := a.members[f.Target], time.Now()
	switch f.Kind {
	case schedule.Kill:
		return m.kill(ctx, f.For)
	case schedule.Freeze:
		m.freeze(ctx, f.For)
	case schedule.Restart:
		return m.restart(ctx)
	case schedule.Refuse:
		a.each((*proxy).refuse, true)
		pause(ctx, f.For)
		a.each((*proxy).refuse, false)
		a.note(history.Outage, "", from)
	case schedule.Blackhole:
		a.each((*proxy).stall, true)
		pause(ctx, f.For)
		a.each((*proxy).stall, false)
		a.note(history.Outage, "", from)
	case schedule.Fast, schedule.Immediate:
		defer a.note(history.Crash, "", from)
		return a.cluster.Restart(ctx, f.Kind)
	case schedule.Terminate:
		if a.cluster.terminate(ctx, f.Target) == nil { // the server itself may be away
			a.note(history.Terminate, f.Target, from)
		}
	case schedule.DropFetch:
		a.proxies[f.Target].dropFetch.Add(1)
	case schedule.DropReply:
		a.proxies[f.Target].dropReply.Add(1)
	}
	return nil
}

func (a *adversary) each(do func(*proxy, bool), on bool) {
	for _, p := range a.proxies {
		do(p, on)
	}
}

// note keeps what was done to a node's connections, or to the database.
func (a *adversary) note(kind, node string, from time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, history.Fault{Kind: kind, Node: node, From: from.UnixNano(), To: time.Now().UnixNano()})
}

// done returns all that was done.
func (a *adversary) done() []history.Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.faults
	for _, m := range a.members {
		m.mu.Lock()
		all = append(all, m.faults...)
		m.mu.Unlock()
	}
	return all
}

// allTroubles returns what could not be done, and the nodes that ended by themselves.
func (a *adversary) allTroubles() []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.troubles
	for _, m := range a.members {
		m.mu.Lock()
		all = append(all, m.deaths...)
		m.mu.Unlock()
	}
	return all
}
