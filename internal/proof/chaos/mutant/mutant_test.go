package mutant

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/taskstore/storetest"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// brokenBy names, in a process of the test's own, the mutant it tests.
const brokenBy = "MCPTASKS_CHAOS_MUTANT"

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// A store's fence tests find the mutant that a chaos run does not, and another.
func TestStoretestFinds(t *testing.T) {
	testdb.Postgres(t, migrate) // without one there is nothing to find
	const group = "fence"
	for _, name := range []string{TokenlessFence, UnfencedSteps} {
		t.Run(name, func(t *testing.T) {
			self := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestBroken$/^"+group+"$")
			self.Env = append(os.Environ(), brokenBy+"="+name)
			out, err := self.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestBroken/"+group)) {
				t.Errorf("storetest's %s tests do not find it: %v\n%s", group, err, out)
			}
		})
	}
}

// TestBroken is TestStoretestFinds' other process.
func TestBroken(t *testing.T) {
	name := os.Getenv(brokenBy)
	if name == "" {
		t.Skip("started by TestStoretestFinds")
	}
	storetest.Run(t, storetest.Harness[pgx.Tx]{Query: query, Open: func(t *testing.T) func() driver.Driver[pgx.Tx] {
		url := testdb.Postgres(t, migrate)
		return func() driver.Driver[pgx.Tx] {
			driver, err := postgres.Open(t.Context(), url, "")
			if err != nil {
				t.Fatal(err)
			}
			broken, err := Break(t.Context(), driver, Node{URL: url}, name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = broken.Close() })
			return broken
		}
	}})
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
