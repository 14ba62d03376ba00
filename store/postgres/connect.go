package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// connect opens a connection that is configured like those of the pool, but is not the
// pool's.
func (d *Driver) connect(ctx context.Context) (*pgx.Conn, error) {
	config := d.pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}

// beside opens a small pool besides the driver's. It runs setup first on each of its
// connections. It connects when it is used.
func (d *Driver) beside(ctx context.Context, setup string) (*pgxpool.Pool, error) {
	config := d.pool.Config()
	config.MinConns, config.MinIdleConns, config.MaxConns = 0, 0, 2
	prepare := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if prepare != nil {
			if err := prepare(ctx, conn); err != nil {
				return err
			}
		}
		_, err := conn.Exec(ctx, setup)
		return err
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// unhurried is River's driver, whose reindexer gets connections without our limits.
// Rebuilding an index concurrently waits for every older transaction of the database, and
// River allows a minute for it. If lock_timeout ended the rebuild, it would leave an
// invalid index behind, and River does not try again while there is one.
type unhurried struct {
	riverdriver.Driver[pgx.Tx]
	beside func(ctx context.Context, setup string) (*pgxpool.Pool, error)
}

// GetExecutor implements riverdriver.Driver.
func (d unhurried) GetExecutor() riverdriver.Executor {
	return unhurriedExecutor{Executor: d.Driver.GetExecutor(), beside: d.beside}
}

type unhurriedExecutor struct {
	riverdriver.Executor
	beside func(ctx context.Context, setup string) (*pgxpool.Pool, error)
}

// IndexReindex implements riverdriver.Executor.
func (e unhurriedExecutor) IndexReindex(ctx context.Context, params *riverdriver.IndexReindexParams) error {
	pool, err := e.beside(ctx, unlimited)
	if err != nil {
		return err
	}
	defer pool.Close()
	return riverpgxv5.New(pool).GetExecutor().IndexReindex(ctx, params)
}

// IndexDropIfExists implements riverdriver.Executor. It drops what a rebuild left behind,
// on the same connections.
func (e unhurriedExecutor) IndexDropIfExists(ctx context.Context, params *riverdriver.IndexDropIfExistsParams) error {
	pool, err := e.beside(ctx, unlimited)
	if err != nil {
		return err
	}
	defer pool.Close()
	return riverpgxv5.New(pool).GetExecutor().IndexDropIfExists(ctx, params)
}

// acquireTimeout is how long a caller waits for a free connection of the pool.
const acquireTimeout = 30 * time.Second

// acquireLimit limits the wait for a connection of a pool, and makes its error say what
// timed out. It is a tracer because that is where pgxpool lets the context of the wait be
// changed.
type acquireLimit struct{ patience time.Duration }

var (
	_ pgx.QueryTracer       = acquireLimit{}
	_ pgxpool.AcquireTracer = acquireLimit{}
)

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (a acquireLimit) TraceAcquireStart(ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if ctx.Err() != nil || pool.Stat().IdleConns() > 0 { // a connection is free: a timer would cost as much as a poll
		return ctx
	}
	limited, cancel := context.WithTimeout(ctx, a.patience)
	return acquiring{Context: limited, cancel: cancel, pool: pool, began: time.Now()}
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (acquireLimit) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if a, ok := ctx.(acquiring); ok {
		a.cancel()
	}
}

// TraceQueryStart implements pgx.QueryTracer, which every tracer must.
func (acquireLimit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (acquireLimit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// acquiring is the context of one wait for a connection.
type acquiring struct {
	context.Context
	cancel context.CancelFunc
	pool   *pgxpool.Pool
	began  time.Time
}

// Err implements context.Context.
func (a acquiring) Err() error {
	err := a.Context.Err()
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	stat := a.pool.Stat()
	return fmt.Errorf("no connection to Postgres was free within %s: %d of the pool's %d are in use: %w",
		time.Since(a.began).Round(time.Millisecond), stat.AcquiredConns(), stat.MaxConns(), err)
}
