package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/taskstore/storetest"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

func TestStore(t *testing.T) {
	template := sync.OnceValue(func() []byte { return migratedFile(t) })
	t.Run("sqlite", func(t *testing.T) {
		storetest.Run(t, storetest.Harness[*sql.Tx]{Query: query, Open: func(t *testing.T) func() driver.Driver[*sql.Tx] {
			path := filepath.Join(t.TempDir(), "tasks.db")
			if err := os.WriteFile(path, template(), 0o600); err != nil {
				t.Fatal(err)
			}
			return func() driver.Driver[*sql.Tx] { return open(t, path) }
		}})
	})
}

func BenchmarkStore(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "tasks.db")
		if err := os.WriteFile(path, migratedFile(b), 0o600); err != nil {
			b.Fatal(err)
		}
		storetest.Bench(b, open(b, path))
	})
}

// JSON is text for SQL as well: bytes would become a blob, which its functions
// take for something else.
func TestJSONIsText(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tasks.db")
		if err := os.WriteFile(path, migratedFile(t), 0o600); err != nil {
			t.Fatal(err)
		}
		db := open(t, path)
		object := json.RawMessage(`{"a":1}`)
		var rows [][]any
		err := db.InTx(t.Context(), func(tx *sql.Tx) error {
			err := db.InsertTx(t.Context(), tx, []*driver.Row{{
				Task:  mcptasks.Task{ID: "a", Status: mcptasks.StatusWorking},
				Queue: "default", Priority: 1,
				Arguments: object, RequestMeta: object,
			}})
			if err != nil {
				return err
			}
			rows, err = query(t.Context(), tx, "SELECT typeof(args), typeof(request_meta), typeof(job_id) FROM mcp_task")
			return err
		})
		if got := fmt.Sprint(rows); err != nil || got != "[[text text integer]]" {
			t.Errorf("the columns hold %s, %v, want text and an integer", got, err)
		}
	})
}

// migratedFile returns a database file without tasks.
func migratedFile(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "template.db")
	db := open(t, path)
	if err := migrations.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, path string) *sqlite.Driver {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func query(ctx context.Context, tx *sql.Tx, text string) ([][]any, error) {
	rows, err := tx.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]any
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
