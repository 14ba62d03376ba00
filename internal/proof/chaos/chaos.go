//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
	"github.com/mcptasks/mcptasks/internal/proof/chaos/schedule"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

const (
	workingNodes = 3
	servingNodes = 2

	settleTimeout = 90 * time.Second // for all tasks to end after the last fault
)

// testbed is a run's nodes, its faults, and the functions that read its database.
type testbed struct {
	injector
	dir    string
	urls   []string // of the serving nodes
	tables func(context.Context) (history.Tables, error)
	live   func(context.Context) ([]waiting, error)
	plan   []schedule.Fault
	minima history.Minima
	close  []func()
}

// chaos prepares a run, makes it and judges it.
func chaos(ctx context.Context, o *options) (err error) {
	if o.duration < 20*time.Second {
		return errors.New("-duration must be at least 20s")
	}
	g := &testbed{injector: injector{nodes: make(map[string]*managedNode), proxies: make(map[string]*proxy)}}
	defer func() {
		for _, m := range g.nodes {
			m.end(false)
		}
		for i := len(g.close) - 1; i >= 0; i-- {
			g.close[i]()
		}
	}()
	if g.dir, err = os.MkdirTemp("", "mcptasks-chaos-"); err != nil {
		return err
	}
	prepare := g.onPostgres
	switch o.database {
	case "postgres":
	case "sqlite":
		prepare = g.onSQLite
		if o.mutant != "" {
			return errors.New("the mutants are Postgres's")
		}
	default:
		return fmt.Errorf("no database %q: postgres or sqlite", o.database)
	}
	if err := prepare(ctx, o); err != nil {
		return errors.Join(err, os.RemoveAll(g.dir))
	}
	if o.plan {
		for _, f := range g.plan {
			fmt.Println(f)
		}
		return os.RemoveAll(g.dir)
	}
	h, err := g.run(ctx, o)
	if err != nil {
		return fmt.Errorf("%w\nthe logs are in %s", err, g.dir)
	}
	return g.judge(h, o)
}

// run makes the workload and the faults, waits until all tasks have ended, and returns
// the history.
func (g *testbed) run(ctx context.Context, o *options) (*history.History, error) {
	for _, m := range g.nodes {
		if err := m.start(ctx); err != nil {
			return nil, err
		}
	}
	workload := &workload{client: newClient(g.urls), followers: 18, cancellers: 2}
	acting, stop := context.WithTimeout(ctx, o.duration)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { workload.run(acting) })
	both.Go(func() { g.injector.run(ctx, g.plan) })
	both.Wait()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	for _, m := range g.nodes {
		if err := m.revive(ctx); err != nil {
			return nil, err
		}
	}
	left, err := workload.settle(ctx, settleTimeout, g.live)
	if err != nil {
		return nil, err
	}
	for _, t := range left {
		fmt.Fprintf(os.Stderr, "chaos: %s: task %s is still %s since %s\n", t.Tool, t.ID, t.Status, t.UpdatedAt.UTC().Format("15:04:05.000"))
	}
	workload.readAll(ctx)
	h := &history.History{HeartbeatInterval: heartbeat, Nodes: len(g.urls), Requests: workload.requests(), Faults: g.done()}
	for until := time.Now().Add(5 * lease); ; pause(ctx, heartbeat) {
		if h.Tables, err = g.tables(ctx); err != nil {
			return nil, err
		}
		if h.Tables.Running == 0 || time.Now().After(until) {
			break
		}
	}
	for _, m := range g.nodes {
		m.end(true)
	}
	h.Observations, err = history.ReadLogs(g.dir)
	return h, err
}

// judge checks the history and prints the result.
func (g *testbed) judge(h *history.History, o *options) error {
	violations, counts := history.Check(h), history.Count(h)
	const most = 40
	for i, v := range violations {
		if i == most {
			fmt.Printf("and %d more\n", len(violations)-most)
			break
		}
		fmt.Println(v)
	}
	troubles := g.allTroubles()
	for _, trouble := range troubles {
		fmt.Println("trouble:", trouble)
	}
	missed := g.minima.Scaled(o.duration).Missed(counts)
	for _, m := range missed {
		fmt.Println("the run did too little:", m)
	}
	name := o.database
	if o.mutant != "" {
		name += " mutant=" + o.mutant
	}
	fmt.Printf("chaos %s seed=%d duration=%s: %s troubles=%d violations=%d\n", name, o.seed, o.duration, counts, len(troubles), len(violations))
	if len(violations)+len(troubles) > 0 || o.keep {
		if err := h.Dump(g.dir); err != nil {
			return err
		}
	}
	switch {
	case len(violations) > 0:
		return fmt.Errorf("%d violations; the logs are in %s", len(violations), g.dir)
	case len(troubles) > 0:
		return fmt.Errorf("%d troubles; the logs are in %s", len(troubles), g.dir)
	case len(missed) > 0:
		return errors.New("too little was done; the logs are in " + g.dir)
	case o.keep:
		fmt.Println("the logs are in", g.dir)
		return nil
	default:
		return os.RemoveAll(g.dir)
	}
}

func (g *testbed) onPostgres(ctx context.Context, o *options) (err error) {
	var workers, servers []string
	for i := range workingNodes {
		workers = append(workers, fmt.Sprintf("worker-%d", i))
	}
	for i := range servingNodes {
		servers = append(servers, fmt.Sprintf("server-%d", i))
	}
	g.plan, g.minima = schedule.Postgres(o.seed, o.duration, lease, workers, servers), history.Postgres
	if o.plan {
		return nil
	}
	if g.cluster, err = startCluster(ctx); err != nil {
		return err
	}
	g.close = append(g.close, g.cluster.Stop)
	g.tables, g.live = g.cluster.tables, g.cluster.live
	for _, name := range append(workers, servers...) {
		p, err := newProxy(g.cluster.socket, func(fetch bool) {
			kind := history.Drop
			if fetch {
				kind = history.DropFetch
			}
			g.note(kind, name, time.Now())
		})
		if err != nil {
			return err
		}
		g.close = append(g.close, p.close)
		g.proxies[name] = p
		args := []string{"-role", name, "-url", g.cluster.through(p, name), "-logs", g.dir, "-mutant", o.mutant}
		if strings.HasPrefix(name, "worker") {
			args = append(args, "-work")
		} else if args, err = g.serving(args); err != nil {
			return err
		}
		g.nodes[name] = &managedNode{name: name, args: args, dir: g.dir}
	}
	return nil
}

func (g *testbed) onSQLite(_ context.Context, o *options) error {
	const name = "node"
	g.plan, g.minima = schedule.SQLite(o.seed, o.duration, lease, name), history.SQLite
	path := filepath.Join(g.dir, "chaos.db")
	args, err := g.serving([]string{"-role", name, "-url", "sqlite:" + path, "-logs", g.dir, "-work"})
	if err != nil {
		return err
	}
	g.nodes[name] = &managedNode{name: name, args: args, dir: g.dir}
	db, err := openFile(path)
	if err != nil {
		return err
	}
	g.close = append(g.close, func() { _ = db.db.Close() })
	g.tables, g.live = db.tables, db.live
	return nil
}

// serving adds the node's HTTP address to its arguments. A restarted node has the same
// address.
func (g *testbed) serving(args []string) ([]string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	g.urls = append(g.urls, "http://"+addr)
	return append(args, "-addr", addr), listener.Close()
}

// migrate applies the migrations once, before the nodes start.
func migrate(ctx context.Context, url string) error {
	driver, err := postgres.Open(ctx, url, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	return migrations.Up(ctx, driver)
}
