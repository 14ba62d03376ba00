package onpostgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func tools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "remote"}, nil, nil)
	return tools
}

// pool returns a pool on a fresh, migrated database.
func pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return poolOf(t, open(t))
}

// poolOf returns the test's own pool on a database, with pgx's defaults.
func poolOf(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// now is the database's clock.
func now(t *testing.T, pool *pgxpool.Pool) (now time.Time) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now); err != nil {
		t.Fatal(err)
	}
	return now
}

func TestOpenRefuses(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		for name, test := range map[string]struct{ url, want string }{
			"unreachable":    {"postgres://user:hunter2@127.0.0.1:1/tasks", "is Postgres running on 127.0.0.1 port 1"},
			"unreadable":     {"postgres://user:hunter2@[/tasks", "postgres://user:password@host"},
			"unknown scheme": {"mysql://user:hunter2@host/tasks", `no driver for database URLs that begin with "mysql:"`},
			"no import":      {"sqlite:tasks.db", `import _ "github.com/mcptasks/mcptasks/store/sqlite"`},
			"no scheme":      {"hunter2", "the database URL has no scheme"},
		} {
			_, err := runner.Open(t.Context(), test.url, tools(), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v; want %q and no password", name, err, test.want)
			}
		}
		_, err := runner.Open(t.Context(), open(t), tools(), &runner.Config{Schema: `x"; DROP`})
		if !errors.Is(err, mcptasks.ErrInvalid) {
			t.Errorf("a schema name that is none: %v", err)
		}
		_, err = runner.Open(t.Context(), open(t), tools(), &runner.Config{Schema: "user", Migrate: true})
		if !errors.Is(err, mcptasks.ErrInvalid) || !strings.Contains(err.Error(), "a keyword of Postgres") {
			t.Errorf("a schema named by a keyword: %v", err)
		}
	})
}

func TestSchemaVersion(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		pool := pool(t)
		newRunner := func(schema string, config *runner.Config) error {
			driver, err := postgres.New(pool, schema)
			if err != nil {
				t.Fatal(err)
			}
			_, err = runner.New(ctx, driver, tools(), config)
			return err
		}
		if err := newRunner("", nil); err != nil {
			t.Errorf("a migrated schema: %v", err)
		}
		err := newRunner("other", nil)
		if !errors.Is(err, migrations.ErrOldSchema) || !strings.Contains(err.Error(), "Config.Migrate") {
			t.Errorf("a schema not migrated: %v", err)
		}
		operator, err := runner.OpenOperator(ctx, pool.Config().ConnString(), &runner.Config{Schema: "other"})
		if operator != nil || !errors.Is(err, migrations.ErrOldSchema) || !strings.Contains(err.Error(), "Config.Migrate") {
			t.Errorf("an operator on a schema not migrated: %v", err)
		}
		if err := newRunner("other", &runner.Config{Migrate: true}); err != nil {
			t.Errorf("migrating: %v", err)
		}
		if _, err := pool.Exec(ctx, `INSERT INTO other.mcp_migration (version_id, is_applied) VALUES (9999, true)`); err != nil {
			t.Fatal(err)
		}
		for _, config := range []*runner.Config{nil, {Migrate: true}} {
			err := newRunner("other", config)
			if !errors.Is(err, migrations.ErrNewSchema) || !strings.Contains(err.Error(), "at least as new") {
				t.Errorf("a newer schema, config %+v: %v", config, err)
			}
		}
	})
}

func TestMigrations(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		url := testdb.Postgres(t, migrate)
		driver, err := postgres.Open(ctx, url, "fresh")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { driver.Close() })
		for range 2 { // up, down, and up again
			var nodes errgroup.Group
			for range 20 {
				nodes.Go(func() error { return migrations.Up(ctx, driver) })
			}
			if err := nodes.Wait(); err != nil {
				t.Fatalf("twenty nodes at once: %v", err)
			}
			if err := migrations.Check(ctx, driver); err != nil {
				t.Fatal(err)
			}
			if err := migrations.Down(ctx, driver); err != nil {
				t.Fatal(err)
			}
			if err := migrations.Check(ctx, driver); !errors.Is(err, migrations.ErrOldSchema) {
				t.Errorf("after Down: %v", err)
			}
		}
	})
}

// A program's own pool may have any search_path, and its own River in it.
func TestCallersTransaction(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		pool := pool(t)
		driver, err := postgres.New(pool, "")
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := runner.New(ctx, driver, tools(), nil)
		if err != nil {
			t.Fatal(err)
		}
		rollback := errors.New("rollback")
		create := func(end error) (id string) {
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				task, err := tasks.CreateTx(ctx, tx, "me", mcptasks.CreateParams{Tool: "remote"})
				if err != nil {
					t.Fatal(err)
				}
				id = task.ID
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			return id
		}
		cancel := func(id string, end error) {
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if err := tasks.CancelTx(ctx, tx, "me", id); err != nil {
					t.Fatal(err)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
		}

		if _, err := tasks.Get(ctx, "me", create(rollback)); !errors.Is(err, mcptasks.ErrNotFound) {
			t.Errorf("a task whose transaction was rolled back: %v", err)
		}
		id := create(nil)
		cancel(id, rollback)
		if task, err := tasks.Get(ctx, "me", id); err != nil || task.Status != mcptasks.StatusWorking {
			t.Errorf("after a cancel that was rolled back: %+v %v", task, err)
		}
		cancel(id, nil)
		if task, err := tasks.Get(ctx, "me", id); err != nil || task.Status != mcptasks.StatusCancelled {
			t.Errorf("after a cancel: %+v %v", task, err)
		}
		if jobs := count(t, pool, `SELECT count(*) FROM mcptasks.river_job`); jobs != 1 {
			t.Errorf("%d jobs, want the one whose transaction was committed", jobs)
		}
	})
}

func count(t *testing.T, pool *pgxpool.Pool, query string) (n int) {
	t.Helper()
	if err := pool.QueryRow(context.WithoutCancel(t.Context()), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
