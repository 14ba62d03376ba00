// Package onpostgres runs the end-to-end suite on Postgres.
package onpostgres

import (
	"context"
	"os"
	"testing"

	"github.com/mcptasks/mcptasks/internal/e2e"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(envWork); url != "" {
		workUntilKilled(url)
	}
	if url := os.Getenv(envCancel); url != "" {
		workUntilCancelled(url)
	}
	if process := os.Getenv(envTrace); process != "" {
		traceUntilKilled(process)
	}
	os.Exit(testdb.Main(m))
}

func TestProgram(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { e2e.Run(t, database) })
}

func TestTwoNodes(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { e2e.RunTwoNodes(t, database) })
}

func database(t *testing.T) e2e.Database { return e2e.Database{URL: open(t)} }

func open(t testing.TB) string { return testdb.Postgres(t, migrate) }

func migrate(ctx context.Context, url string) error {
	driver, err := postgres.Open(ctx, url, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	return migrations.Up(ctx, driver)
}
