package postgres

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
)

// Dialect implements migrations.DB.
func (d *Driver) Dialect() goose.Dialect { return goose.DialectPostgres }

// Schema implements migrations.DB.
func (d *Driver) Schema() string { return d.schema }

// Reading implements migrations.DB with the pool.
func (d *Driver) Reading(_ context.Context, logger *slog.Logger) (*migrations.Handle, error) {
	return d.handle(d.pool, logger, func() {})
}

// Migrating implements migrations.DB with connections beside the pool: a migration
// may take as long as the tables are large, and waits for a lock only briefly.
func (d *Driver) Migrating(ctx context.Context, logger *slog.Logger) (*migrations.Handle, error) {
	pool, err := d.beside(ctx, unlimited+`; SET lock_timeout = '2s'; SET timezone = 'UTC'; SET search_path TO `+pgx.Identifier{d.schema}.Sanitize())
	if err != nil {
		return nil, err
	}
	return d.handle(pool, logger, pool.Close)
}

// unlimited removes the time limit of a session's statements.
const unlimited = `SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0`

func (d *Driver) handle(pool *pgxpool.Pool, logger *slog.Logger, closePool func()) (*migrations.Handle, error) {
	river, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: logger, Schema: d.schema})
	if err != nil {
		closePool()
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	return &migrations.Handle{SQL: db, River: river, Close: func() error {
		defer closePool()
		return db.Close()
	}}, nil
}

// LockMigrations implements migrations.DB with a session's advisory lock, which
// the server releases if this process dies.
func (d *Driver) LockMigrations(ctx context.Context) (func(), error) {
	hash := fnv.New64a()
	hash.Write([]byte("mcptasks migrations " + d.schema))
	key := int64(hash.Sum64()) //nolint:gosec // any 64 bits will do

	conn, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	unlock := func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	if err = d.rejectPooled(ctx, conn); err == nil {
		_, err = conn.Exec(ctx, unlimited)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", key)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// rejectPooled returns an error if conn leads to a pooler in transaction mode, where the
// backend is given to another session after each transaction: a lock that conn takes would
// not be its own. A pooler is recognized by the backend's process id, which is not the one
// that the connection was told. Its mode is recognized by a second session that gets the
// first one's backend.
func (d *Driver) rejectPooled(ctx context.Context, conn *pgx.Conn) error {
	first, err := backendOf(ctx, conn)
	if err != nil || first == conn.PgConn().PID() {
		return err
	}
	other, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close(context.WithoutCancel(ctx)) }()
	second, err := backendOf(ctx, other)
	if err != nil {
		return err
	}
	if d.pollOnly || first == second {
		return &mcptasks.Error{
			Op:   "migrate",
			Err:  errors.New("this URL leads to a connection pooler, and migrations need sessions of their own"),
			Hint: "migrate with a URL that leads to the server itself, then open the nodes without Migrate",
		}
	}
	return nil
}

func backendOf(ctx context.Context, conn *pgx.Conn) (pid uint32, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid, err
}
