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
	orders     = 40 // of the producer
	orderEvery = 200 * time.Millisecond
	killOrder  = 10 // the producer is killed after it
)

// scenario runs everything and returns the results. All processes have ended when it
// returns.
func scenario(ctx context.Context, s *progressLog, dir, url string) (*results, error) {
	if err := runOnce(ctx, url, filepath.Join(dir, "migrate")); err != nil {
		return nil, err
	}
	s.say("migrate", "the database is up to date")
	services, err := startAll(ctx, s, dir, url)
	defer killAll(services)
	if err != nil {
		return nil, err
	}
	balancer := newBalancer(services[2:]...)
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
	client, err := firstCall(ctx, s, balancer, services)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.session.Close() }()
	producer := &producer{dir: dir, url: url, announced: make(map[int64]string)}

	seen := &results{}
	if err := underLoad(ctx, s, client, producer, func() (err error) {
		seen.left, err = disturb(ctx, s, conn, services[:2], services[2:])
		return err
	}); err != nil {
		return nil, err
	}
	if err := ended(ctx, conn, nil); err != nil {
		return nil, err
	}
	s.say("split", "no task is left")
	for _, server := range balancer.servers {
		seen.requests = append(seen.requests, server.requests.Load())
	}
	seen.calls, seen.announced, seen.refused = client.calls, producer.announced, producer.refused
	if err := seen.collect(ctx, conn, services); err != nil {
		return nil, err
	}
	seen.narrate(s)
	return seen, nil
}

// disturb kills a worker and restarts all services. It returns the tasks that the killed
// worker left, when they have ended.
func disturb(ctx context.Context, s *progressLog, conn *pgx.Conn, workers, servers []*service) ([]string, error) {
	left, err := killOne(ctx, s, conn, workers[0])
	if err != nil {
		return nil, err
	}
	for _, m := range []*service{workers[1], servers[0], servers[1], workers[0]} {
		if m.addr == "" { // a worker without a task has nothing to drain
			if err := busy(ctx, conn, m.now(), 1); err != nil {
				return nil, err
			}
		}
		if err := restart(ctx, s, m); err != nil {
			return nil, err
		}
	}
	return left, ended(ctx, conn, left)
}

// collect stops the services, and adds their metrics and the tables to the results.
func (f *results) collect(ctx context.Context, conn *pgx.Conn, services []*service) (err error) {
	for _, m := range services {
		if m.addr == "" {
			if m.now().finishes, err = finishes(ctx, m.ops); err != nil {
				return err
			}
		}
	}
	for _, m := range services {
		if err := m.stop(ctx); err != nil {
			return err
		}
		f.instances = append(f.instances, m.instances...)
	}
	if f.orders, err = readOrders(ctx, conn); err != nil {
		return err
	}
	f.tasks, err = readTasks(ctx, conn)
	return err
}

// startAll starts two workers and two servers, in this order.
func startAll(ctx context.Context, s *progressLog, dir, url string) ([]*service, error) {
	var services []*service
	for _, program := range []string{"worker", "server"} {
		for n := 1; n <= 2; n++ {
			m, err := newService(dir, url, program, fmt.Sprintf("%s-%d", program, n))
			if err != nil {
				return services, err
			}
			services = append(services, m)
			if err := m.start(ctx); err != nil {
				return services, err
			}
			if m.addr != "" {
				s.say(m.name, "is ready: process %d serves http://%s/mcp", m.now().pid, m.addr)
			} else {
				s.say(m.name, "is ready: process %d works", m.now().pid)
			}
		}
	}
	return services, nil
}

// firstCall makes one call and prints which process answered and which one worked it.
func firstCall(ctx context.Context, s *progressLog, b *balancer, services []*service) (*client, error) {
	for !b.servers[0].ready.Load() || !b.servers[1].ready.Load() { // until the balancer has probed them
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
	for _, m := range services {
		for i, by := range call.receipt.DoneBy {
			if by == m.now().process && (i == 0 || call.receipt.DoneBy[i-1] != by) {
				s.say("client", "which %s worked: process %d", m.name, m.now().pid)
			}
		}
	}
	return client, nil
}

// underLoad calls act while the client calls and the producer runs. It returns when all
// calls have ended.
func underLoad(ctx context.Context, s *progressLog, client *client, producer *producer, act func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.say("client", "keeps calling, %d calls at a time; each request goes to the next ready server", callers)
	s.say("producer", "creates %d orders, each in one transaction with its task", orders)
	var load sync.WaitGroup
	load.Go(func() { client.callUntilStopped(ctx, callers) })
	load.Go(func() {
		if err := producer.run(ctx, orders, orderEvery, killOrder); err != nil {
			cancel(err)
			return
		}
		s.say("producer", "was killed (kill -9) after %d orders, and starts all %d again", len(producer.announced), orders)
		if err := producer.run(ctx, orders, orderEvery, 0); err != nil {
			cancel(err)
			return
		}
		s.say("producer", "is done; %d orders existed already, so they and their tasks were refused", producer.refused)
	})
	if err := act(); err != nil {
		cancel(err)
	}
	close(client.stop)
	s.say("client", "stops calling and waits for its calls")
	load.Wait()
	return context.Cause(ctx)
}

// killOne kills the worker while it has tasks half done, starts another process in its
// place, and returns these tasks.
func killOne(ctx context.Context, s *progressLog, conn *pgx.Conn, worker *service) (left []string, err error) {
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
	s.say(worker.name, "is back as process %d; the others notice within 15 s that process %d is dead", worker.now().pid, victim.pid)
	return left, nil
}

// busy waits until the worker has that many tasks half done.
func busy(ctx context.Context, conn *pgx.Conn, worker *instance, tasks int) error {
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

// restart stops a process and starts another one, as in a rolling release.
func restart(ctx context.Context, s *progressLog, m *service) error {
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

// ended waits until the tasks have ended. Without ids it waits for all.
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
