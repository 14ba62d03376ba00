// Package sqlite is mcptasks on SQLite: one file, which any number of processes may read
// and change, and which one process at a time may work. Importing it registers the URL
// scheme sqlite: sqlite:relative/path.db, sqlite:/absolute/path.db, and sqlite::memory: for
// trials and tests.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/migrations"
)

func init() { taskstore.Register("sqlite", openBackend) }

var (
	_ driver.Driver[*sql.Tx] = (*Driver)(nil)
	_ driver.Exclusive       = (*Driver)(nil)
)

// Driver is driver.Driver on a SQLite file. Safe for concurrent use.
type Driver struct {
	writer   *sql.DB // of one connection
	reader   *sql.DB // of read-only connections; the writer, in memory
	lockPath string  // "" in memory
	river    *riversqlite.Driver

	preparing sync.Mutex
	prepared  map[string]*sql.Stmt // see prepare

	memory struct{ worker, migration sync.Mutex } // the locks of a database in memory
}

func openBackend(ctx context.Context, url string, cfg *config.Config, notifier *notify.Notifier) (taskstore.Backend, error) {
	path, err := pathOf(url)
	if err != nil {
		return nil, err
	}
	driver, err := Open(ctx, path)
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

// Ping implements driver.Driver.
func (d *Driver) Ping(ctx context.Context) error { return d.reader.PingContext(ctx) }

// Close closes the file. A database in memory is gone with it.
func (d *Driver) Close() error {
	if d.reader == d.writer {
		return d.writer.Close()
	}
	// The writer is closed last: the last connection writes the log back into the file, and
	// a read-only one cannot.
	return errors.Join(d.reader.Close(), d.writer.Close())
}

// River implements driver.Driver.
func (d *Driver) River() riverdriver.Driver[*sql.Tx] { return d.river }

// Dialect implements migrations.DB.
func (d *Driver) Dialect() goose.Dialect { return goose.DialectSQLite3 }

// Schema implements migrations.DB: SQLite has none.
func (d *Driver) Schema() string { return "" }

// Reading implements migrations.DB with the writing connection.
func (d *Driver) Reading(_ context.Context, logger *slog.Logger) (*migrations.Handle, error) {
	river, err := rivermigrate.New(d.river, &rivermigrate.Config{Logger: logger})
	if err != nil {
		return nil, err
	}
	return &migrations.Handle{SQL: d.writer, River: river, Close: func() error { return nil }}, nil
}

// Migrating implements migrations.DB, as Reading.
func (d *Driver) Migrating(ctx context.Context, logger *slog.Logger) (*migrations.Handle, error) {
	return d.Reading(ctx, logger)
}

// maxRepeats limits how often a transaction is tried again that could not begin within
// busyTimeout because another process was writing.
const maxRepeats = 3

// InTx implements driver.Driver. The transaction has the one connection that
// writes: fn must do all its writing in tx, and in memory its reading too.
func (d *Driver) InTx(ctx context.Context, fn func(*sql.Tx) error) error {
	return repeat(ctx, func() error {
		tx, err := d.writer.BeginTx(ctx, nil)
		if err != nil {
			return interpretError(err)
		}
		defer func() { _ = tx.Rollback() }() // no effect after Commit
		if err := fn(tx); err != nil {
			return err
		}
		return interpretError(tx.Commit())
	})
}

func repeat(ctx context.Context, fn func() error) error {
	for n := 1; ; n++ {
		err := fn()
		if err == nil || n == maxRepeats || ctx.Err() != nil || primary(resultCode(err)) != sqlite3.SQLITE_BUSY {
			return err
		}
	}
}

// resultCode returns SQLite's extended result code, 0 if err is not SQLite's.
func resultCode(err error) int {
	var sqliteErr *sqlite.Error
	if errors.As(err, &sqliteErr) {
		return sqliteErr.Code()
	}
	return sqlite3.SQLITE_OK
}

// primary returns the primary result code of an extended one.
func primary(code int) int { return code & 0xff }

// interpretError turns the database's errors into ours where there is one.
func interpretError(err error) error {
	switch code := resultCode(err); {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return mcptasks.ErrNotFound
	case code == sqlite3.SQLITE_CONSTRAINT_UNIQUE, code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", mcptasks.ErrConflict, err)
	case code == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "no such table"):
		return &mcptasks.Error{
			Op:   "query",
			Err:  fmt.Errorf("%w: %w", migrations.ErrOldSchema, err),
			Hint: "set Config.Migrate, or call migrations.Up once before the nodes start",
		}
	default:
		return err
	}
}
