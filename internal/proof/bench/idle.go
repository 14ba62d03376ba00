//go:build unix

package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// statements counts the statements that pgx sends, including BEGIN, COMMIT and each
// statement of a batch.
type statements struct{ n atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { s.n.Add(1) }

func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// idle measures how many statements a second a working node with the defaults sends when
// it has nothing to do. The heartbeat's and the listener's connections are made from the
// pool's config, so the tracer counts theirs as well.
func idle(ctx context.Context, h *harness) (_ []float64, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	config, err := pgxpool.ParseConfig(db.url)
	if err != nil {
		return nil, err
	}
	var sent statements
	config.ConnConfig.Tracer = &sent
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	driver, err := postgres.New(pool, "")
	if err != nil {
		return nil, err
	}
	defer closing(&err, driver.Close)
	if err := migrations.Up(ctx, driver); err != nil {
		return nil, err
	}
	node, err := runner.New[pgx.Tx](ctx, driver, noop(nil), &runner.Config{Logger: quiet})
	if err != nil {
		return nil, err
	}
	defer closing(&err, node.Close)
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	if err := pause(ctx, h.idle/2); err != nil { // let the start settle
		return nil, err
	}
	var rounds []float64
	for round := range h.rounds {
		before := sent.n.Load()
		if err := pause(ctx, h.idle); err != nil {
			return nil, err
		}
		rounds = append(rounds, float64(sent.n.Load()-before)/h.idle.Seconds())
		h.logf("round %d: %.1f statements a second", round+1, rounds[round])
	}
	if sent.n.Load() == 0 {
		return nil, errors.New("no statement was counted")
	}
	return rounds, nil
}
