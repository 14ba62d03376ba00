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

// defaultPoolSize is for a URL without pool_max_conns. pgx's default, the number of
// processors, is too small for a node of a hundred runs.
const defaultPoolSize = 20

// limits are set in each session of a pool that Open makes: a statement or a wait without
// an end must not keep a connection for ever. They are longer than any statement that works
// as it should. River gives its statements at most 30 seconds, except for rebuilding an
// index, which has connections of its own.
var limits = map[string]string{
	"statement_timeout":                   "60s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
}

// plannerSettings are set in each session of a pool that Open makes. Our statements and
// River's find a few rows by an index. A plan that was made while a table was empty reads
// the whole table instead, and the session keeps that plan. When thousands of jobs come at
// once, each fetch may then take seconds, until the tables are analyzed. Where there is no
// index, a table is read sequentially in spite of the setting. Such a plan looks expensive,
// but must not be compiled for that.
var plannerSettings = map[string]string{
	"enable_seqscan": "off",
	"jit":            "off",
}

const applicationName = "mcptasks"

// Options say how Open connects. The zero value, and nil, work.
type Options struct {
	// Schema holds River's tables and ours: lower-case letters, digits and _.
	// Defaults to DefaultSchema.
	Schema string

	// PollOnly is for PgBouncer in transaction mode. Open then sets no limits in the
	// sessions, which PgBouncer rejects: set them for the role, with ALTER ROLE … SET. It
	// prepares no statements: default_query_exec_mode is exec unless the URL has another;
	// simple_protocol works as well. Migrations need a URL that leads to the server itself.
	PollOnly bool
}

// Open returns a driver on a pool of its own, which Close closes. It fails if the
// database cannot be reached. Its errors do not hold the URL's password.
//
// The pool has 20 connections, or pool_max_conns of the URL. No caller keeps one for long.
// A run has one while it claims its task, records something or ends. A request has one
// during its statement. The node's maintenance loops and River need about five together. So
// 4 are enough for a node of a few runs, or one that serves little. 20 are enough for a
// hundred runs of a second each. Runs so short that a hundred begin and end all the time
// need more. A caller that finds all in use waits, at most 30 seconds.
//
// Besides the pool a node has a connection for its heartbeats and one on which River
// listens, from its start on, and one on which its watchers listen, from the first watcher
// on. That is pool_max_conns + 3 in all, and pool_max_conns + 1 with PollOnly. Migrations
// use three more while they run, and River one while it rebuilds an index. The server's
// max_connections must be enough for all nodes, old and new, while one release replaces
// another.
//
// The sessions have the application_name mcptasks, a statement_timeout of 60 seconds, a
// lock_timeout of 10 seconds and an idle_in_transaction_session_timeout of 60 seconds,
// unless the URL sets these. They have enable_seqscan and jit off. A pool of the program's
// own should have these off, too.
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

// configOf reads the URL and fills in defaults.
func configOf(url string, pollOnly bool) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	var given *pgconn.Config
	if err == nil {
		given, err = pgconn.ParseConfig(url) // which keeps all settings
	}
	if err != nil { // its text contains the URL
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
		for _, settings := range []map[string]string{limits, plannerSettings} {
			for name, value := range settings {
				add(name, value)
			}
		}
	}
	config.ConnConfig.Tracer = acquireLimit{acquireTimeout}
	return config, nil
}

// unreachable returns the error for a server that cannot be reached, with a hint.
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
