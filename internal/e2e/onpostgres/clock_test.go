package onpostgres

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// shiftable returns a database for whose sessions now() can be put forward and back.
func shiftable(t *testing.T) (url string, pool *pgxpool.Pool, shift func(time.Duration)) {
	t.Helper()
	url = open(t)
	pool = poolOf(t, url)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE SCHEMA shifted`)
	exec(`CREATE TABLE shifted.clock AS SELECT interval '0' AS ahead`)
	exec(`CREATE FUNCTION shifted.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT pg_catalog.now() + ahead FROM shifted.clock'`)
	return with(t, url, "search_path=shifted,pg_catalog"), pool, func(d time.Duration) {
		t.Helper()
		exec(`UPDATE shifted.clock SET ahead = $1`, d)
	}
}

// TestDatabaseClockJumps puts the database's clock forward by an hour, back by two,
// and right again, while a task runs on one of two nodes. Nobody is held for dead. A
// node that then dies is.
func TestDatabaseClockJumps(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		const beat = 200 * time.Millisecond
		url, pool, shift := shiftable(t)
		goOn, began := make(chan struct{}), make(chan struct{}, 10)
		wait := func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			began <- struct{}{}
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return nil, nil, ctx.Err()
		}
		busy := node(t, url, wait, nil, runner.Config{HeartbeatInterval: beat})
		id := create(t, busy)
		<-began
		var log buffer
		idle := node(t, url, wait, nil, runner.Config{HeartbeatInterval: beat, Logger: slog.New(slog.NewTextHandler(&log, nil))})

		steady := func() { <-time.After(2 * 3 * beat) } // a lease to be steady again, and one to look for the dead
		steady()
		for i, ahead := range []time.Duration{time.Hour, -time.Hour, 0} {
			shift(ahead)
			steady()
			if jumps := strings.Count(log.String(), "clock jumped"); jumps != i+1 {
				t.Errorf("%d jumps were seen, want %d:\n%s", jumps, i+1, log.String())
			}
		}
		if n := count(t, pool, `SELECT count(*) FROM mcptasks.mcp_task_event WHERE kind = 'recovered'`); n != 0 || len(began) != 0 {
			t.Errorf("a task was recovered %d times from a node that lives", n)
		}

		// As if it had been killed: it beats no more, and its job is left running.
		execute(t, url, `UPDATE mcptasks.river_job SET attempted_by = ARRAY['dead'] WHERE state = 'running'`)
		<-began
		close(goOn)
		if task := end(t, idle, id); task == nil || task.Status != mcptasks.StatusCompleted {
			t.Errorf("the task of a dead node ended %+v", task)
		}
	})
}

// TestClocksApart sets the database's clock an hour apart from the node's: the node
// does not hold a task for overdue by a clock that may be wrong, and says what to do.
func TestClocksApart(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url, pool, shift := shiftable(t)
		shift(-time.Hour)
		var log buffer
		const sweep = 20 * time.Millisecond
		node := node(t, url, func(ctx context.Context, _ *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			<-ctx.Done()
			return nil, nil, ctx.Err()
		}, &mcptasks.ToolOptions{Deadline: 100 * time.Millisecond}, runner.Config{
			HeartbeatInterval: 100 * time.Millisecond, SweepInterval: sweep, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		id := create(t, node)
		eventually(t, url, `SELECT count(*) FROM mcptasks.mcp_task WHERE deadline_at < pg_catalog.now() AND status = 'working'`, 1)
		<-time.After(20 * sweep) // in which it would have been swept
		if n := count(t, pool, `SELECT count(*) FROM mcptasks.mcp_task WHERE status = 'working'`); n != 1 {
			t.Error("the task ended by a clock that differs from the database's")
		}
		if said := log.String(); strings.Count(said, "Set both by NTP") != 1 {
			t.Errorf("the log says: %s", said)
		}
		shift(0)
		if task := end(t, node, id); task == nil || task.Status != mcptasks.StatusFailed {
			t.Errorf("the clocks agree, and the task is %+v", task)
		}
		if said := log.String(); !strings.Contains(said, "agree again") {
			t.Errorf("the log says: %s", said)
		}
	})
}
