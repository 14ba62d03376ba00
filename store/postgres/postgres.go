// Package postgres is mcptasks on PostgreSQL. Importing it registers the URL
// schemes postgres and postgresql.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/names"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/migrations"
)

func init() {
	for _, scheme := range []string{"postgres", "postgresql"} {
		taskstore.Register(scheme, openBackend)
	}
}

var _ driver.Driver[pgx.Tx] = (*Driver)(nil)

// Driver is driver.Driver on a pgx pool. Safe for concurrent use.
type Driver struct {
	pool      *pgxpool.Pool
	owned     bool // the pool is ours to close
	pollOnly  bool // the pool may lead to PgBouncer in transaction mode
	schema    string
	river     riverdriver.Driver[pgx.Tx]
	heartbeat heartbeatConn

	queries sync.Map // what sql has returned
}

// DefaultSchema is where River's tables and ours are unless the user names another.
const DefaultSchema = config.DefaultSchema

// New returns a driver on the pool, which stays the caller's to close. The schema
// holds River's tables and ours; "" means DefaultSchema. It reads and writes
// nothing; runner.New checks the schema's version.
func New(pool *pgxpool.Pool, schema string) (*Driver, error) {
	if schema == "" {
		schema = DefaultSchema
	}
	if !names.IsSchema(schema) {
		return nil, &mcptasks.Error{
			Op:   "open",
			Err:  fmt.Errorf("%w: %q cannot be the schema", mcptasks.ErrInvalid, schema),
			Hint: "use " + names.SchemaRule,
		}
	}
	return &Driver{pool: pool, schema: schema, river: riverpgxv5.New(pool)}, nil
}

// Ping implements driver.Driver with the pool: it waits for a connection as everybody.
func (d *Driver) Ping(ctx context.Context) error { return d.pool.Ping(ctx) }

// Close closes the connection of heartbeats, and the pool if the driver opened it.
func (d *Driver) Close() error {
	d.closeHeartbeat()
	if d.owned {
		d.pool.Close()
	}
	return nil
}

// River implements driver.Driver.
func (d *Driver) River() riverdriver.Driver[pgx.Tx] { return d.river }

// maxRepeats limits how often a transaction is repeated that the database aborted in favor
// of another one.
const maxRepeats = 10

// InTx implements driver.Driver.
func (d *Driver) InTx(ctx context.Context, fn func(pgx.Tx) error) error {
	return repeat(ctx, func() error { return pgx.BeginFunc(ctx, d.pool, fn) })
}

func repeat(ctx context.Context, fn func() error) error {
	for n := 1; ; n++ {
		err := fn()
		if err == nil || n == maxRepeats || ctx.Err() != nil || !isRepeatable(err) {
			return interpretError(err)
		}
	}
}

const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505"
	lockNotAvailable     = "55P03"
	undefinedTable       = "42P01"
	invalidSchema        = "3F000"
	dataException        = "22" // a class
	limitExceeded        = "54" // a class
)

func isRepeatable(err error) bool {
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// interpretError turns the database's errors into ours where there is one.
func interpretError(err error) error {
	switch code := sqlState(err); {
	case err == nil:
		return nil
	case errors.Is(err, mcptasks.ErrInvalid), errors.Is(err, mcptasks.ErrConflict): // interpreted within the transaction
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return mcptasks.ErrNotFound
	case code == uniqueViolation:
		return fmt.Errorf("%w: %w", mcptasks.ErrConflict, err)
	case code == lockNotAvailable: // at once with NOWAIT, otherwise after lock_timeout
		return fmt.Errorf("%w: %w", driver.ErrBusy, err)
	case strings.HasPrefix(code, dataException), strings.HasPrefix(code, limitExceeded):
		return driver.Unstorable(err)
	case code == undefinedTable, code == invalidSchema:
		return &mcptasks.Error{Op: "query", Err: fmt.Errorf("%w: %w", migrations.ErrOldSchema, err), Hint: "set Config.Migrate, or call migrations.Up once before the nodes start"}
	default:
		return err
	}
}

// sql replaces {s} in a query by the schema.
func (d *Driver) sql(query string) string {
	if ready, ok := d.queries.Load(query); ok {
		return ready.(string)
	}
	ready := strings.ReplaceAll(query, "{s}", d.schema)
	d.queries.Store(query, ready)
	return ready
}
