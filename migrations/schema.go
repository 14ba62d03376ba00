package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"

	"github.com/mcptasks/mcptasks"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// versionTable is the table in which goose keeps our versions, beside our tables.
const versionTable = "mcp_migration"

// quiet drops what goose and River log: the tables tell what was applied, and the error
// tells what failed.
var quiet = slog.New(slog.DiscardHandler)

// provider returns goose's view of our migrations on the database.
func provider(db DB, h *Handle) (*goose.Provider, error) {
	dir, err := folder(db)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(db.Dialect(), h.SQL, dir,
		goose.WithTableName(tableName(db, versionTable)), goose.WithSlog(quiet), goose.WithDisableGlobalRegistry(true))
}

// folder returns the files for the kind of database.
func folder(db DB) (fs.FS, error) {
	folders := map[goose.Dialect]string{goose.DialectPostgres: "postgres", goose.DialectSQLite3: "sqlite"}
	return fs.Sub(files, folders[db.Dialect()])
}

// createSchema returns the statement that makes the schema, "" if the schema exists: the
// statement needs the right to make schemas even then.
func createSchema(ctx context.Context, db DB, h *Handle) (string, error) {
	if db.Schema() == "" {
		return "", nil
	}
	var exists, plain bool
	const query = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), quote_ident($1) = $1"
	if err := h.SQL.QueryRowContext(ctx, query, db.Schema()).Scan(&exists, &plain); err != nil || exists {
		return "", err
	}
	if !plain { // goose does not quote it
		return "", &mcptasks.Error{
			Op: "migrate", Err: fmt.Errorf("%w: %q cannot be the schema, since it is a keyword of Postgres", mcptasks.ErrInvalid, db.Schema()),
			Hint: "choose another name",
		}
	}
	return `CREATE SCHEMA IF NOT EXISTS "` + db.Schema() + `"`, nil
}

// tableName returns the table's name, qualified by the schema if there is one.
func tableName(db DB, table string) string {
	if db.Schema() == "" {
		return table
	}
	return db.Schema() + "." + table
}

// reading runs fn on a handle for reading the schema.
func reading(ctx context.Context, db DB, op string, fn func(*Handle) error) error {
	h, err := db.Reading(ctx, quiet)
	if err != nil {
		return wrap(op, err)
	}
	defer func() { _ = h.Close() }()
	return wrap(op, fn(h))
}

// wrap names the operation in the error, unless the error names one already.
func wrap(op string, err error) error {
	var ours *mcptasks.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return &mcptasks.Error{Op: op, Err: err}
}
