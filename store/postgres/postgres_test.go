package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store"
	"github.com/mcptasks/mcptasks/store/postgres"
	"github.com/mcptasks/mcptasks/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

func TestStore(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		storetest.Run(t, storetest.Harness[pgx.Tx]{Query: query, Open: func(t *testing.T) func() store.Driver[pgx.Tx] {
			url := testdb.Postgres(t, migrate)
			return func() store.Driver[pgx.Tx] { return open(t, url) }
		}})
	})
}

func BenchmarkStore(b *testing.B) {
	b.Run("postgres", func(b *testing.B) { storetest.Bench(b, open(b, testdb.Postgres(b, migrate))) })
}

func open(tb testing.TB, url string) store.Driver[pgx.Tx] {
	tb.Helper()
	driver, err := postgres.Open(tb.Context(), url, "")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = driver.Close() })
	return driver
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
