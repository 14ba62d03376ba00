//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/proof/bench/cputime"
	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
	"github.com/mcptasks/mcptasks/internal/proof/bench/rawclient"
	"github.com/mcptasks/mcptasks/internal/testdb"
)

// A figure is a fixed number of operations of one kind.
type figure struct {
	name    string
	load    string // the load program's figure
	n       int
	callers int
	sqlite  bool
	// requests are made over HTTP by this process, of a load program that serves.
	requests func(*served) func() *rawclient.Exchange
}

var all = []figure{
	{name: "create_64", load: "create", n: 20_000, callers: 64},
	{name: "create_8", load: "create", n: 10_000, callers: 8},
	{name: "create_1", load: "create", n: 4_000, callers: 1},
	{name: "drain", load: "drain", n: 20_000, callers: 64},
	{name: "poll_64", load: "poll", n: 100_000, callers: 64},
	{name: "poll_1", load: "poll", n: 30_000, callers: 1},
	{name: "http_get", load: "serve", n: 50_000, callers: 64, requests: getTasks},
	{name: "http_call_64", load: "serve", n: 10_000, callers: 64, requests: callTool},
	{name: "e2e_512", load: "complete", n: 20_000, callers: 512},
	{name: "sqlite_create_8", load: "create", n: 10_000, callers: 8, sqlite: true},
	{name: "sqlite_drain", load: "drain", n: 3_000, callers: 64, sqlite: true},
}

// bench is where the sides are measured.
type bench struct {
	dir        string // for SQLite files
	programs   [2]string
	cluster    *testdb.Cluster
	postmaster int // its process ID
	made       int // databases
}

func (b *bench) close() {
	if b.cluster != nil {
		b.cluster.Stop()
	}
}

// compare measures a figure on both sides in turns.
func (b *bench) compare(ctx context.Context, f figure, o *options) (*row, error) {
	if o.quick {
		f.n /= 20
	}
	r := &row{name: f.name}
	for round := range o.rounds {
		var got [2]float64
		for turn := range got {
			side := (round + turn) % 2
			cpu, err := b.measure(ctx, f, b.programs[side])
			if err != nil {
				return nil, err
			}
			got[side] = float64(cpu) / float64(time.Microsecond) / float64(f.n)
			r.cpu[side] = append(r.cpu[side], got[side])
		}
		r.ratios = append(r.ratios, got[0]/got[1])
		fmt.Fprintf(os.Stderr, "%s: round %d: %s ÷ %s µs/op = %.3f\n", f.name, round+1,
			figures.Format(got[0]), figures.Format(got[1]), got[0]/got[1])
	}
	return r, nil
}

// measure returns the CPU time of the figure's operations.
func (b *bench) measure(ctx context.Context, f figure, program string) (cpu time.Duration, err error) {
	location, drop, err := b.database(ctx, f.sqlite)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	p, err := start(ctx, program, "-figure", f.load, "-url", location, "-n", strconv.Itoa(f.n), "-callers", strconv.Itoa(f.callers))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	lines, err := p.until("ready")
	if err != nil {
		return 0, err
	}
	if !f.sqlite {
		if err := b.exec(ctx, "CHECKPOINT"); err != nil {
			return 0, err
		}
	}
	before, err := b.cpu(p, f.sqlite)
	if err != nil {
		return 0, err
	}
	if err := f.work(ctx, p, lines); err != nil {
		return 0, err
	}
	after, err := b.cpu(p, f.sqlite)
	return after - before, err
}

// work returns when the load program, which has printed lines, has done its operations.
func (f figure) work(ctx context.Context, p *process, lines []string) error {
	if f.requests != nil {
		s, err := parseServed(lines)
		if err != nil {
			return err
		}
		return exchanges(ctx, f, s)
	}
	if err := p.begin(); err != nil {
		return err
	}
	_, err := p.until("done")
	return err
}

// cpu returns the CPU time that the process and the Postgres have used so far.
func (b *bench) cpu(p *process, sqlite bool) (time.Duration, error) {
	ours, err := cputime.Tree(p.cmd.Process.Pid)
	if err != nil || sqlite {
		return ours, err
	}
	server, err := cputime.Tree(b.postmaster)
	return ours + server, err
}

// settings of the throwaway server.
var settings = []string{
	"ALTER SYSTEM SET shared_buffers = '128MB'",
	"ALTER SYSTEM SET max_wal_size = '8GB'",
	"ALTER SYSTEM SET checkpoint_timeout = '1h'",
	"ALTER SYSTEM SET autovacuum = off",
}

// database returns the URL of a new database, and what removes it.
func (b *bench) database(ctx context.Context, sqlite bool) (location string, drop func() error, err error) {
	b.made++
	name := fmt.Sprintf("compare_%d", b.made)
	if sqlite {
		path := filepath.Join(b.dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			return "", nil, err
		}
		return "sqlite:" + filepath.Join(path, "tasks.db"), func() error { return os.RemoveAll(path) }, nil
	}
	if b.cluster == nil {
		if err := b.startCluster(ctx); err != nil {
			return "", nil, err
		}
	}
	u, err := url.Parse(b.cluster.URL)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	query := u.Query()
	query.Set("pool_max_conns", "64")
	u.RawQuery = query.Encode()
	return u.String(), func() error { // after an interrupt, too
		return b.exec(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
	}, b.exec(ctx, "CREATE DATABASE "+name)
}

func (b *bench) startCluster(ctx context.Context) (err error) {
	if b.cluster, err = testdb.StartCluster(ctx); err != nil {
		return err
	}
	if err := b.exec(ctx, settings...); err != nil {
		return err
	}
	if err := b.cluster.Restart(ctx, "fast"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, b.cluster.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var data string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
		return err
	}
	b.postmaster, err = cputime.Postmaster(data)
	return err
}

func (b *bench) exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, b.cluster.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
