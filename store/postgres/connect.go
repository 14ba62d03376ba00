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

// connect opens a connection as the pool would, beside it.
func (d *Driver) connect(ctx context.Context) (*pgx.Conn, error) {
	config := d.pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}

// beside opens a small pool beside the driver's, on whose connections setup is run
// first. It connects when it is used.
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

// unhurried is River's driver but for its reindexer, which has connections without
// our limits. To rebuild an index concurrently is to wait for every transaction of
// the database that is older; River allows a minute for it. If lock_timeout ended
// it, it would leave half an index behind, and River never tries again beside one.
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
	pool, err := e.beside(ctx, unbound)
	if err != nil {
		return err
	}
	defer pool.Close()
	return riverpgxv5.New(pool).GetExecutor().IndexReindex(ctx, params)
}

// IndexDropIfExists implements riverdriver.Executor: what a reindexing left is
// dropped in the same way.
func (e unhurriedExecutor) IndexDropIfExists(ctx context.Context, params *riverdriver.IndexDropIfExistsParams) error {
	pool, err := e.beside(ctx, unbound)
	if err != nil {
		return err
	}
	defer pool.Close()
	return riverpgxv5.New(pool).GetExecutor().IndexDropIfExists(ctx, params)
}

// poolPatience is how long anybody waits for a connection of the pool to be free.
const poolPatience = 30 * time.Second

// acquireLimit bounds the wait for a connection of a pool, and gives it an error
// that says so. It is a tracer since that is where pgxpool lets the context of the
// wait be changed.
type acquireLimit struct{ patience time.Duration }

var (
	_ pgx.QueryTracer       = acquireLimit{}
	_ pgxpool.AcquireTracer = acquireLimit{}
)

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (a acquireLimit) TraceAcquireStart(ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if ctx.Err() != nil || pool.Stat().IdleConns() > 0 { // nobody waits; a timer for nothing would cost what a poll does
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

// TraceQueryStart implements pgx.QueryTracer, which a tracer must.
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
