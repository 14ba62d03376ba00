//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	callers    = 8  // calls at a time
	orders     = 40 // that the producer takes
	orderEvery = 200 * time.Millisecond
	killOrder  = 10 // after which the producer is killed
)

// play does what is to be seen and returns what was seen. No process that it started
// outlives it.
func play(ctx context.Context, s *story, dir, url string) (*facts, error) {
	if err := runOnce(ctx, url, filepath.Join(dir, "migrate")); err != nil {
		return nil, err
	}
	s.say("migrate", "the database is up to date")
	members, err := startAll(ctx, s, dir, url)
	defer leaveNone(members)
	if err != nil {
		return nil, err
	}
	workers, servers := members[:2], members[2:]

	balancer := newBalancer(servers...)
	watching, stopWatching := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { balancer.watch(watching) })
	defer background.Wait()
	defer stopWatching()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	seen := &facts{}
	client, err := firstCall(ctx, s, balancer, members)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.session.Close() }()
	producer := &producer{dir: dir, url: url, told: make(map[int64]string)}
	if err := underLoad(ctx, s, client, producer, func() error {
		var err error
		if seen.left, err = killOne(ctx, s, conn, workers[0]); err != nil {
			return err
		}
		for _, m := range []*member{workers[1], servers[0], servers[1], workers[0]} {
			if m.addr == "" { // else it may have nothing to drain
				if err := busy(ctx, conn, m.now(), 1); err != nil {
					return err
				}
			}
			if err := restart(ctx, s, m); err != nil {
				return err
			}
		}
		return ended(ctx, conn, seen.left)
	}); err != nil {
		return nil, err
	}
	if err := ended(ctx, conn, nil); err != nil {
		return nil, err
	}
	s.say("split", "no task is left")

	for _, m := range workers {
		if m.now().finishes, err = finishes(ctx, m.ops); err != nil {
			return nil, err
		}
	}
	for _, m := range members {
		if err := m.stop(ctx); err != nil {
			return nil, err
		}
		seen.lives = append(seen.lives, m.lives...)
	}
	for _, server := range balancer.servers {
		seen.took = append(seen.took, server.took.Load())
	}
	seen.calls, seen.told, seen.refused = client.calls, producer.told, producer.refused
	if seen.orders, err = readOrders(ctx, conn); err != nil {
		return nil, err
	}
	seen.tasks, err = readTasks(ctx, conn)
	seen.tell(s)
	return seen, err
}

// startAll starts two workers and two servers, in this order.
func startAll(ctx context.Context, s *story, dir, url string) ([]*member, error) {
	var members []*member
	for _, program := range []string{"worker", "server"} {
		for n := 1; n <= 2; n++ {
			m, err := newMember(dir, url, program, fmt.Sprintf("%s-%d", program, n))
			if err != nil {
				return members, err
			}
			members = append(members, m)
			if err := m.start(ctx); err != nil {
				return members, err
			}
			if m.addr != "" {
				s.say(m.name, "is ready: process %d serves http://%s/mcp", m.now().pid, m.addr)
			} else {
				s.say(m.name, "is ready: process %d works", m.now().pid)
			}
		}
	}
	return members, nil
}

// firstCall shows what a call is: answered by one process, worked by another.
func firstCall(ctx context.Context, s *story, b *balancer, members []*member) (*client, error) {
	for !b.servers[0].ready.Load() || !b.servers[1].ready.Load() { // they are, and the balancer learns it
		select {
		case <-time.After(tick):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	client, err := connect(ctx, b)
	if err != nil {
		return nil, err
	}
	s.say("client", "tools/call ship")
	call := client.call(ctx)
	if call.err != nil {
		return nil, errors.Join(call.err, client.session.Close())
	}
	s.say("client", "had task %s after %s, and now has %q", call.task, call.answeredIn.Round(time.Millisecond), call.receipt.Tracking)
	for _, m := range members {
		for i, by := range call.receipt.DoneBy {
			if by == m.now().process && (i == 0 || call.receipt.DoneBy[i-1] != by) {
				s.say("client", "which %s worked: process %d", m.name, m.now().pid)
			}
		}
	}
	return client, nil
}

// underLoad does act while the client calls and the producer takes orders, and
// returns when all that was begun has ended.
func underLoad(ctx context.Context, s *story, client *client, producer *producer, act func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.say("client", "goes on calling, %d calls at a time; each request goes to the next server that is ready", callers)
	s.say("producer", "takes %d orders, each in one transaction with its task", orders)
	var load sync.WaitGroup
	load.Go(func() { client.crowd(ctx, callers) })
	load.Go(func() {
		if err := producer.take(ctx, orders, orderEvery, killOrder); err != nil {
			cancel(err)
			return
		}
		s.say("producer", "was killed (kill -9) after %d orders, and takes all %d again", len(producer.told), orders)
		if err := producer.take(ctx, orders, orderEvery, 0); err != nil {
			cancel(err)
			return
		}
		s.say("producer", "has taken all orders; %d were refused, and their tasks with them: they had been taken", producer.refused)
	})
	if err := act(); err != nil {
		cancel(err)
	}
	close(client.stop)
	s.say("client", "calls no more, and waits for what it has called")
	load.Wait()
	return context.Cause(ctx)
}

// killOne kills the worker while a task is half done by it, starts another in its
// place, and returns the tasks that it left half done.
func killOne(ctx context.Context, s *story, conn *pgx.Conn, worker *member) (left []string, err error) {
	victim := worker.now()
	if err := busy(ctx, conn, victim, 2); err != nil {
		return nil, err
	}
	victim.kill()
	victim.killed = true
	if left, err = halfDone(ctx, conn, victim.process); err != nil {
		return nil, err
	}
	s.say(worker.name, "was killed (kill -9) with %d tasks half done", len(left))
	if err := worker.start(ctx); err != nil {
		return nil, err
	}
	s.say(worker.name, "is there again: process %d; the others know in 15 s that process %d is dead", worker.now().pid, victim.pid)
	return left, nil
}

// busy waits until the worker has done that many tasks by half.
func busy(ctx context.Context, conn *pgx.Conn, worker *life, tasks int) error {
	for {
		half, err := halfDone(ctx, conn, worker.process)
		if err != nil || len(half) >= tasks {
			return err
		}
		select {
		case <-time.After(tick):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// restart ends a process in good order and starts another, as a new release would be
// rolled out.
func restart(ctx context.Context, s *story, m *member) error {
	begun := time.Now()
	m.now().underLoad = true
	if err := m.stop(ctx); err != nil {
		return err
	}
	drained := time.Since(begun)
	if err := m.start(ctx); err != nil {
		return err
	}
	s.say(m.name, "was restarted (SIGTERM): drained in %.1f s, process %d is ready", drained.Seconds(), m.now().pid)
	return nil
}

// ended waits until the tasks have ended; all of them, if none is named.
func ended(ctx context.Context, conn *pgx.Conn, ids []string) error {
	for {
		n, err := working(ctx, conn, ids)
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-time.After(10 * tick):
		case <-ctx.Done():
			return fmt.Errorf("%d tasks have not ended: %w", n, context.Cause(ctx))
		}
	}
}
