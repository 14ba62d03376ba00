package main

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/examples/split/tools"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

func migrate(ctx context.Context, url string) error {
	driver, err := postgres.Open(ctx, url, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	return migrations.Up(ctx, driver)
}

// TestStore stores orders with and without an error: an order and its task exist together.
func TestStore(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), testdb.Postgres(t, migrate))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	driver, err := postgres.New(pool, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	tasks, err := runner.New(t.Context(), driver, tools.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tasks.Close() })
	order := tools.Order{Number: 7, Item: "tea"}

	if id, err := store(t.Context(), pool, tasks, order); err == nil {
		t.Errorf("without a table of orders there is task %s", id)
	}
	wantTasks(t, pool, 0)

	if _, err := pool.Exec(t.Context(), `CREATE TABLE orders (number bigint PRIMARY KEY, item text NOT NULL, task_id text NOT NULL UNIQUE)`); err != nil {
		t.Fatal(err)
	}
	id, err := store(t.Context(), pool, tasks, order)
	if err != nil {
		t.Fatal(err)
	}
	if task, err := tasks.Get(t.Context(), "", id); err != nil || task.Status != mcptasks.StatusWorking || task.Tool != "ship" {
		t.Errorf("the order's task is %+v, %v", task, err)
	}
	var stored string
	if err := pool.QueryRow(t.Context(), `SELECT task_id FROM orders WHERE number = 7 AND item = 'tea'`).Scan(&stored); err != nil || stored != id {
		t.Errorf("the order names task %q, %v; want %s", stored, err, id)
	}

	if again, err := store(t.Context(), pool, tasks, order); !errors.Is(err, errDuplicate) {
		t.Errorf("stored again, the order is task %q, %v", again, err)
	}
	wantTasks(t, pool, 1)
}

func wantTasks(t *testing.T, pool *pgxpool.Pool, want int) {
	t.Helper()
	var got, jobs int
	if err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM mcptasks.mcp_task), (SELECT count(*) FROM mcptasks.river_job)`).Scan(&got, &jobs); err != nil {
		t.Fatal(err)
	}
	if got != want || jobs != want {
		t.Errorf("there are %d tasks and %d jobs, want %d", got, jobs, want)
	}
}
