//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/mcptasks/mcptasks/runner"
)

// sqliteCallers is how many callers each side of a ratio has on SQLite.
const sqliteCallers = 8

// file returns the path of a new SQLite file. Each turn has its own, so that each begins
// alike.
func (h *harness) file() string {
	h.files++
	return filepath.Join(h.dir, fmt.Sprintf("%d.db", h.files))
}

// sqliteCreates compares creates a second with one-row inserts a second.
func sqliteCreates(ctx context.Context, h *harness) (*samples, error) {
	return h.ratios(ctx, (*work).rate, h.createInFile, h.insertInFile)
}

// sqliteDrain compares how many waiting tasks a node runs and finishes a second with
// one-row inserts a second.
func sqliteDrain(ctx context.Context, h *harness) (*samples, error) {
	return h.ratios(ctx, (*work).rate, h.drainFile, h.insertInFile)
}

func (h *harness) createInFile(ctx context.Context, share float64) (_ *work, err error) {
	path := h.file()
	node, err := h.open(ctx, "sqlite:"+path, noop(nil), runner.Config{})
	if err != nil {
		return nil, err
	}
	done, err := closedLoop(ctx, ourPIDs(), sqliteCallers, h.lasting(share), func(ctx context.Context, _ int) error {
		_, err := node.Create(ctx, "", call())
		return err
	})
	if err = errors.Join(err, node.Close()); err != nil {
		return nil, err
	}
	return done, countFile(ctx, path, done.operations, `SELECT count(*) FROM mcp_task t JOIN river_job j ON j.id = t.job_id WHERE j.state = 'available'`)
}

func (h *harness) drainFile(ctx context.Context, share float64) (_ *work, err error) {
	path, n := h.file(), portion(h.drainedFile, share)
	ran := newCountdown(n)
	node, err := h.open(ctx, "sqlite:"+path, noop(ran.one), working(runner.Config{}))
	if err != nil {
		return nil, err
	}
	defer closing(&err, node.Close)
	if err := fill(ctx, node, n); err != nil {
		return nil, err
	}
	looks, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	defer looks.Close()
	m, err := startMeter(ourPIDs())
	if err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	if err := ran.wait(ctx); err != nil {
		return nil, err
	}
	err = until(ctx, "all tasks of the file are done", func(ctx context.Context) (done bool, err error) {
		err = looks.QueryRowContext(ctx, `
			SELECT NOT EXISTS (SELECT 1 FROM mcp_task WHERE status IN ('working', 'input_required'))
			   AND NOT EXISTS (SELECT 1 FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))`).Scan(&done)
		return done, err
	})
	if err != nil {
		return nil, err
	}
	done, err := m.stop(n)
	return done, errors.Join(
		err,
		countFile(ctx, path, n, `SELECT count(*) FROM mcp_task WHERE status = 'completed' AND NOT is_error AND run_seq = 1`),
		countFile(ctx, path, n, `SELECT count(*) FROM river_job WHERE state = 'completed'`),
	)
}

// insertInFile is the baseline: it inserts rows with an id, the arguments and a time, each
// in its own transaction, through one connection that is as durable as ours.
func (h *harness) insertInFile(ctx context.Context, share float64) (_ *work, err error) {
	path := h.file()
	db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.Close)
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `CREATE TABLE baseline (id text PRIMARY KEY, args text, created_at integer NOT NULL)`); err != nil {
		return nil, err
	}
	insert, err := db.PrepareContext(ctx, `INSERT INTO baseline (id, args, created_at) VALUES (?, ?, ?)`)
	if err != nil {
		return nil, err
	}
	defer insert.Close()
	done, err := closedLoop(ctx, ourPIDs(), sqliteCallers, h.lasting(share), func(ctx context.Context, _ int) error {
		_, err := insert.ExecContext(ctx, uuid.NewString(), arguments, time.Now().UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, countFile(ctx, path, done.operations, `SELECT count(*) FROM baseline`)
}

// countFile returns an error unless the query counts want rows.
func countFile(ctx context.Context, path string, want int, query string) error {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		return err
	}
	defer db.Close()
	var got int
	if err := db.QueryRowContext(ctx, query).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s: %d, not %d", query, got, want)
	}
	return nil
}
