package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/taskstore/storetest"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

func TestStore(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { testStore(t) })
}

// TestStoreUnprepared is TestStore as through PgBouncer in transaction mode.
func TestStoreUnprepared(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { testStore(t, "default_query_exec_mode=simple_protocol") })
}

func testStore(t *testing.T, parameters ...string) {
	storetest.Run(t, storetest.Harness[pgx.Tx]{Query: query, Open: func(t *testing.T) func() driver.Driver[pgx.Tx] {
		url := with(t, testdb.Postgres(t, migrate), parameters...)
		return func() driver.Driver[pgx.Tx] { return open(t, url, nil) }
	}})
}

func BenchmarkStore(b *testing.B) {
	b.Run("postgres", func(b *testing.B) { storetest.Bench(b, open(b, testdb.Postgres(b, migrate), nil)) })
}

func migrate(ctx context.Context, url string) error {
	driver, err := postgres.Open(ctx, url, "")
	if err != nil {
		return err
	}
	defer func() { _ = driver.Close() }()
	return migrations.Up(ctx, driver)
}

func query(ctx context.Context, tx pgx.Tx, sql string) ([][]any, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
}
