//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks/internal/proof/bench/cputime"
	"github.com/mcptasks/mcptasks/internal/testdb"
)

// server is the Postgres that is measured.
type server struct {
	url  string // of its maintenance database
	stop func()
	made int

	// These are zero unless the server is a throwaway one on this machine.
	postmaster int    // its process ID
	disk       string // how fast its disk is
}

// tuning are settings of a throwaway server. Tests give it less memory than Postgres'
// default. A checkpoint that falls into one side's turn would distort the ratio.
var tuning = []string{
	"ALTER SYSTEM SET shared_buffers = '128MB'",
	"ALTER SYSTEM SET max_wal_size = '8GB'",
	"ALTER SYSTEM SET checkpoint_timeout = '1h'",
}

func startServer(ctx context.Context, given string) (*server, error) {
	if given != "" {
		return &server{url: given, stop: func() {}}, nil
	}
	cluster, err := testdb.StartCluster(ctx)
	if err != nil { // no PostgreSQL on this machine: use a container
		url, stop, err := testdb.Server(ctx)
		return &server{url: url, stop: stop}, err
	}
	s := &server{url: cluster.URL, stop: cluster.Stop}
	err = s.exec(ctx, tuning...)
	if err == nil {
		err = cluster.Restart(ctx, "fast")
	}
	if err == nil {
		err = s.locate(ctx)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// locate finds the process of a server on this machine, and measures its disk while
// nothing else writes to it.
func (s *server) locate(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const query = `SELECT current_setting('data_directory'), (SELECT setting FROM pg_config WHERE name = 'BINDIR')`
	var data, programs string
	if err := conn.QueryRow(ctx, query).Scan(&data, &programs); err != nil {
		return err
	}
	s.disk = describeDisk(ctx, data, programs)
	s.postmaster, err = cputime.Postmaster(data)
	return err
}

func (s *server) exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.url)
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

// settingNames are the settings that the figures depend on.
var settingNames = []string{
	"server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_level",
	"shared_buffers", "max_wal_size", "max_connections", "autovacuum",
}

func (s *server) describe(ctx context.Context) string {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return "Postgres: " + err.Error()
	}
	defer conn.Close(ctx)
	var settings []string
	for _, name := range settingNames {
		var value string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			value = err.Error()
		}
		settings = append(settings, name+"="+value)
	}
	return "Postgres: " + strings.Join(settings, " ") + "\n" + cmp.Or(s.disk, "disk: n/a, the server is not a throwaway one on this machine")
}

// database is a measure's own database on the server.
type database struct {
	server *server
	name   string
	url    string        // with the default pool
	wide   string        // with a pool of -connections, for our side of a ratio
	pool   *pgxpool.Pool // of that size: the baselines', and the bench's own queries between them
}

// database starts the server if that has not been done, and creates a database.
func (h *harness) database(ctx context.Context) (*database, error) {
	if h.server == nil {
		s, err := startServer(ctx, h.options.database)
		if err != nil {
			return nil, err
		}
		h.server = s
	}
	u, err := url.Parse(h.server.url)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, errors.New("-database must be a postgres:// URL")
	}
	h.server.made++
	d := &database{server: h.server, name: fmt.Sprintf("mcptasks_bench_%d_%d", os.Getpid(), h.server.made)}
	if err := h.server.exec(ctx, "CREATE DATABASE "+d.name); err != nil {
		return nil, err
	}
	u.Path = "/" + d.name
	d.url = u.String()
	query := u.Query()
	query.Set("pool_max_conns", strconv.Itoa(h.connections))
	// As postgres.Open sets them. Without them River alone stalled for a whole round, too.
	query.Set("enable_seqscan", "off")
	query.Set("jit", "off")
	u.RawQuery = query.Encode()
	d.wide = u.String()
	if d.pool, err = pgxpool.New(ctx, d.wide); err != nil {
		return nil, errors.Join(err, d.drop())
	}
	return d, nil
}

// pids returns the processes whose CPU time counts in a figure on this database: this one
// and the server. It returns none if the server's cannot be measured.
func (d *database) pids() []int {
	ours := ourPIDs()
	if ours == nil || d.server.postmaster == 0 {
		return nil
	}
	return append(ours, d.server.postmaster)
}

// drop removes the database. It has no context, since it also runs after an interrupt.
func (d *database) drop() error {
	if d.pool != nil {
		d.pool.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return d.server.exec(ctx, "DROP DATABASE IF EXISTS "+d.name+" WITH (FORCE)")
}

// expect returns an error unless the query counts want rows: work that was not done must
// not be measured.
func (d *database) expect(ctx context.Context, want int, query string, args ...any) error {
	var got int
	if err := d.pool.QueryRow(ctx, query, args...).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s: %d, not %d", query, got, want)
	}
	return nil
}

// clear empties the tables and makes a checkpoint, so that each turn begins alike.
func (d *database) clear(ctx context.Context, tables ...string) error {
	if _, err := d.pool.Exec(ctx, "TRUNCATE "+strings.Join(tables, ", ")+" CASCADE"); err != nil {
		return err
	}
	d.checkpoint(ctx)
	return nil
}

// checkpoint makes a checkpoint, unless the user is not allowed to.
func (d *database) checkpoint(ctx context.Context) { _, _ = d.pool.Exec(ctx, "CHECKPOINT") }

// until waits until the query returns true.
func (d *database) until(ctx context.Context, query string, args ...any) error {
	return until(ctx, query, func(ctx context.Context) (so bool, err error) {
		err = d.pool.QueryRow(ctx, query, args...).Scan(&so)
		return so, err
	})
}

// until calls ask every two milliseconds until it returns true.
func until(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waitLimit, fmt.Errorf("after %s it is not so: %s", waitLimit, what))
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		so, err := ask(ctx)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if so {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Our tables, for the bench's own queries.
const (
	tasksTable = "mcptasks.mcp_task"
	jobsTable  = "mcptasks.river_job"
)
