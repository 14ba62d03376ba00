// Package migrations brings a database to the schema this release needs: River's
// own migrations first, then ours, numbered, per kind of database. Released
// files are frozen; a change is a new pair.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/mcptasks/mcptasks"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// versionTable is where goose keeps what has been applied, beside our tables.
const versionTable = "mcp_migration"

// Errors of Check; test with errors.Is.
var (
	// ErrOldSchema: the database lacks migrations of this release.
	ErrOldSchema = errors.New("the database schema is not migrated to this release")
	// ErrNewSchema: the database was migrated by a newer release.
	ErrNewSchema = errors.New("the database schema is newer than this release")
)

// DB is a database to migrate. Both of store's drivers are one.
type DB interface {
	// Dialect is goose's name for the kind of database, also the folder of its
	// files.
	Dialect() goose.Dialect

	// Schema is the schema that holds River's tables and ours, "" where the
	// database has no schemas.
	Schema() string

	// OpenSQL returns a handle on which unqualified names mean Schema, and a
	// function that lets go of it.
	OpenSQL(ctx context.Context) (*sql.DB, func() error, error)

	// RiverMigrator returns River's migrator for the schema.
	RiverMigrator(logger *slog.Logger) (RiverMigrator, error)

	// LockMigrations waits until no other process is migrating this schema,
	// and keeps others waiting until unlock is called.
	LockMigrations(ctx context.Context) (unlock func(), err error)
}

// RiverMigrator is the part of *rivermigrate.Migrator that does not depend on
// its transaction type.
type RiverMigrator interface {
	Migrate(ctx context.Context, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) (*rivermigrate.MigrateResult, error)
	Validate(ctx context.Context, opts *rivermigrate.ValidateOpts) (*rivermigrate.ValidateResult, error)
}

// Up applies what is missing. Any number of processes may call it at once: one
// migrates, the others wait and find nothing to do.
func Up(ctx context.Context, db DB) error {
	return locked(ctx, db, "migrate up", func(ctx context.Context, sqldb *sql.DB) error {
		if err := check(ctx, db, sqldb); !errors.Is(err, ErrOldSchema) {
			return err
		}
		if db.Schema() != "" {
			if _, err := sqldb.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS "`+db.Schema()+`"`); err != nil {
				return err
			}
		}
		// Outside a transaction: River's 006 adds a value to an enum and then uses
		// it, which Postgres refuses within one.
		if err := migrateRiver(ctx, db, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		provider, err := provider(db, sqldb)
		if err != nil {
			return err
		}
		_, err = provider.Up(ctx)
		return err
	})
}

// Down removes our tables and River's, with everything in them.
func Down(ctx context.Context, db DB) error {
	return locked(ctx, db, "migrate down", func(ctx context.Context, sqldb *sql.DB) error {
		if err := check(ctx, db, sqldb); err != nil {
			return err
		}
		provider, err := provider(db, sqldb)
		if err != nil {
			return err
		}
		if _, err := provider.DownTo(ctx, 0); err != nil {
			return err
		}
		return migrateRiver(ctx, db, rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: -1})
	})
}

// Check returns nil if the schema is the one this release needs, else an error
// that is ErrOldSchema or ErrNewSchema and says what to do. It writes nothing.
func Check(ctx context.Context, db DB) error {
	sqldb, closeSQL, err := db.OpenSQL(ctx)
	if err != nil {
		return wrap("check schema", err)
	}
	defer func() { _ = closeSQL() }()
	return check(ctx, db, sqldb)
}

func locked(ctx context.Context, db DB, op string, fn func(context.Context, *sql.DB) error) error {
	unlock, err := db.LockMigrations(ctx)
	if err != nil {
		return wrap(op, err)
	}
	defer unlock()
	sqldb, closeSQL, err := db.OpenSQL(ctx)
	if err != nil {
		return wrap(op, err)
	}
	defer func() { _ = closeSQL() }()
	return wrap(op, fn(ctx, sqldb))
}

// wrap names the operation, unless the error already names one.
func wrap(op string, err error) error {
	var ours *mcptasks.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return &mcptasks.Error{Op: op, Err: err}
}

func check(ctx context.Context, db DB, sqldb *sql.DB) error {
	current, err := currentVersion(ctx, db, sqldb)
	if err != nil {
		return wrap("check schema", err)
	}
	provider, err := provider(db, sqldb)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	target := sources[len(sources)-1].Version
	if current > target {
		return &mcptasks.Error{
			Op:   "check schema",
			Err:  fmt.Errorf("%w: it is at version %d, this release knows %d", ErrNewSchema, current, target),
			Hint: "run a release that is at least as new as the one that migrated it",
		}
	}
	river, err := db.RiverMigrator(quiet)
	if err != nil {
		return err
	}
	valid, err := river.Validate(ctx, nil)
	if err != nil {
		return wrap("check schema", err)
	}
	if current < target || !valid.OK {
		return &mcptasks.Error{
			Op:   "check schema",
			Err:  fmt.Errorf("%w: it is at version %d of %d", ErrOldSchema, current, target),
			Hint: "set Config.Migrate, or call migrations.Up once before the nodes start",
		}
	}
	return nil
}

// currentVersion returns the newest version applied, 0 for an empty database.
func currentVersion(ctx context.Context, db DB, sqldb *sql.DB) (int64, error) {
	versions, err := database.NewStore(db.Dialect(), tableName(db))
	if err != nil {
		return 0, err
	}
	exists, err := tableExists(ctx, db, sqldb, versions)
	if err != nil || !exists {
		return 0, err
	}
	version, err := versions.GetLatestVersion(ctx, sqldb)
	if errors.Is(err, database.ErrVersionNotFound) {
		return 0, nil
	}
	return version, err
}

func tableExists(ctx context.Context, db DB, sqldb *sql.DB, versions database.Store) (bool, error) {
	if db.Dialect() == goose.DialectSQLite3 { // goose cannot tell for SQLite
		var n int
		err := sqldb.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", versionTable).Scan(&n)
		return n > 0, err
	}
	tables, ok := versions.(database.StoreExtender)
	if !ok {
		return false, fmt.Errorf("goose cannot look for its table in %s", db.Dialect())
	}
	return tables.TableExists(ctx, sqldb)
}

func tableName(db DB) string {
	if db.Schema() == "" {
		return versionTable
	}
	return db.Schema() + "." + versionTable
}

func provider(db DB, sqldb *sql.DB) (*goose.Provider, error) {
	folders := map[goose.Dialect]string{goose.DialectPostgres: "postgres", goose.DialectSQLite3: "sqlite"}
	dir, err := fs.Sub(files, folders[db.Dialect()])
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(db.Dialect(), sqldb, dir,
		goose.WithTableName(tableName(db)), goose.WithSlog(quiet), goose.WithDisableGlobalRegistry(true))
}

func migrateRiver(ctx context.Context, db DB, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) error {
	river, err := db.RiverMigrator(quiet)
	if err != nil {
		return err
	}
	_, err = river.Migrate(ctx, direction, opts)
	return err
}

// quiet: what migrations did is in their tables, and what failed in the error.
var quiet = slog.New(slog.DiscardHandler)
