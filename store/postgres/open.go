package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

// defaultPoolSize is used where the URL has no pool_max_conns: pgx's default, the
// number of processors, starves a node of a hundred runs.
const defaultPoolSize = 20

// limits are the server's own, for each session of a pool that Open makes: a
// statement, or a wait, that nobody ends must not keep a connection for ever. They
// are longer than anything that works: River gives its statements 30 seconds at
// most, but for rebuilding an index, which has connections of its own.
var limits = map[string]string{
	"statement_timeout":                   "60s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
}

// habits are the planner's, for each session of a pool that Open makes. Our statements
// and River's find few rows by an index. A plan that was made while a table was empty
// reads all of it instead, and the session keeps that plan: when thousands of jobs come
// at once, each fetch may take seconds until the tables are next analyzed. Where there
// is no index a table is read all the same; that such a plan looks dear must not have
// it compiled.
var habits = map[string]string{
	"enable_seqscan": "off",
	"jit":            "off",
}

const applicationName = "mcptasks"

// Options say how Open connects. The zero value, and nil, work.
type Options struct {
	// Schema holds River's tables and ours: lower-case letters, digits and _.
	// Defaults to DefaultSchema.
	Schema string

	// PollOnly is for PgBouncer in transaction mode: the sessions are not told
	// their limits, which PgBouncer refuses (give them to the role, with ALTER
	// ROLE … SET), and statements are not prepared: if the URL has no
	// default_query_exec_mode, it is exec; simple_protocol works as well.
	// Migrations need a URL that leads to the server itself.
	PollOnly bool
}

// Open returns a driver on a pool of its own, which Close closes. It fails if the
// database cannot be reached. Its errors do not hold the URL's password.
//
// The pool has 20 connections, or pool_max_conns of the URL. Nobody keeps one: a run
// has it while it claims its task, records something or ends, a request while its
// statement goes on, and the node's rounds and River need about five between them. So
// 4 do for a node of a few runs or one that only serves a little, 20 for one of a
// hundred runs of a second each, and more for runs so short that a hundred begin and
// end all the time. Who finds all in use waits, 30 seconds at most.
//
// Beside the pool a node holds a connection for its beats and one on which River
// listens, from its start on, and one on which its watchers do, from the first of
// them on: so pool_max_conns + 3 in all, with PollOnly pool_max_conns + 1. Migrations
// have three more while they last, and River one while it rebuilds an index. The
// server's max_connections must do for all nodes, old and new, while one release
// replaces another.
//
// Its sessions are called mcptasks and end a statement after 60 seconds, the wait
// for a lock after 10, and a transaction in which nothing happens after 60, unless
// the URL says otherwise by application_name, statement_timeout, lock_timeout or
// idle_in_transaction_session_timeout. They have enable_seqscan and jit off, which a pool
// of a program's own should have, too.
func Open(ctx context.Context, url, schema string) (*Driver, error) {
	return OpenWith(ctx, url, &Options{Schema: schema})
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, url string, options *Options) (*Driver, error) {
	if options == nil {
		options = &Options{}
	}
	config, err := configOf(url, options.PollOnly)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unreachable(config, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unreachable(config, err)
	}
	driver, err := New(pool, options.Schema)
	if err != nil {
		pool.Close()
		return nil, err
	}
	driver.owned, driver.pollOnly = true, options.PollOnly
	if !options.PollOnly {
		driver.river = unhurried{Driver: driver.river, beside: driver.beside}
	}
	return driver, nil
}

// configOf reads the URL and adds what it leaves open.
func configOf(url string, pollOnly bool) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	var given *pgconn.Config
	if err == nil {
		given, err = pgconn.ParseConfig(url) // which leaves everything in
	}
	if err != nil { // its text quotes the URL
		return nil, &mcptasks.Error{
			Op:   "open",
			Err:  fmt.Errorf("%w: the Postgres URL cannot be read", mcptasks.ErrInvalid),
			Hint: "it looks like postgres://user:password@host:5432/database?sslmode=disable",
		}
	}
	if _, sized := given.RuntimeParams["pool_max_conns"]; !sized {
		config.MaxConns = defaultPoolSize
	}
	session := config.ConnConfig.RuntimeParams
	add := func(name, value string) {
		if _, set := session[name]; !set && !strings.Contains(session["options"], name) {
			session[name] = value
		}
	}
	add("application_name", applicationName)
	if pollOnly {
		if _, chosen := given.RuntimeParams["default_query_exec_mode"]; !chosen {
			config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
	} else {
		for _, settings := range []map[string]string{limits, habits} {
			for name, value := range settings {
				add(name, value)
			}
		}
	}
	config.ConnConfig.Tracer = acquireLimit{poolPatience}
	return config, nil
}

// unreachable says what to do about a server that refuses.
func unreachable(config *pgxpool.Config, err error) error {
	conn := config.ConnConfig
	hint := fmt.Sprintf("is Postgres running on %s port %d?", conn.Host, conn.Port)
	switch sqlState(err) {
	case invalidPassword, invalidAuthorization:
		hint = "are the user and the password of the URL right?"
	case invalidCatalog:
		hint = fmt.Sprintf("make the database %q first", conn.Database)
	case tooManyConnections:
		hint = "raise the server's max_connections, or lower pool_max_conns of the URLs"
	case protocolViolation:
		if strings.Contains(err.Error(), "startup parameter") {
			hint = "behind PgBouncer, open with PollOnly"
		}
	}
	return &mcptasks.Error{Op: "open", Err: err, Hint: hint}
}

const (
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	invalidCatalog       = "3D000"
	tooManyConnections   = "53300"
	protocolViolation    = "08P01"
)

func openBackend(ctx context.Context, url string, cfg *config.Config, notifier *notify.Notifier) (taskstore.Backend, error) {
	driver, err := OpenWith(ctx, url, &Options{Schema: cfg.Schema, PollOnly: cfg.PollOnly})
	if err != nil {
		return nil, err
	}
	backend, err := taskstore.New(driver, cfg, notifier)
	if err != nil {
		_ = driver.Close()
		return nil, err
	}
	return backend, nil
}
