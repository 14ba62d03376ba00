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
	"time"

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

	// Reading returns a handle for looking at the schema, on connections that may
	// be shared with others.
	Reading(ctx context.Context, logger *slog.Logger) (*Handle, error)

	// Migrating returns a handle for changing the schema, on connections on which
	// unqualified names mean Schema and no statement is ended for its length. One
	// that waits for another session's lock may be; it is repeated.
	Migrating(ctx context.Context, logger *slog.Logger) (*Handle, error)

	// LockMigrations waits until no other process is migrating this schema,
	// and keeps others waiting until unlock is called.
	LockMigrations(ctx context.Context) (unlock func(), err error)
}

// Handle is a way to a database's schema, until Close is called.
type Handle struct {
	SQL   *sql.DB
	River RiverMigrator
	Close func() error
}

// RiverMigrator is the part of *rivermigrate.Migrator that does not depend on
// its transaction type.
type RiverMigrator interface {
	AllVersions() []rivermigrate.Migration
	Migrate(ctx context.Context, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) (*rivermigrate.MigrateResult, error)
	Validate(ctx context.Context, opts *rivermigrate.ValidateOpts) (*rivermigrate.ValidateResult, error)
}

// Up applies what is missing. Any number of processes may call it at once: one
// migrates, the others wait and find nothing to do. Nodes may work meanwhile: a
// statement that must wait for a table does so for two seconds at a time, so that
// those who queue behind it do not wait for longer, and for five minutes in all.
func Up(ctx context.Context, db DB) error {
	return locked(ctx, db, "migrate up", func(ctx context.Context, h *Handle) error {
		if err := check(ctx, db, h); !errors.Is(err, ErrOldSchema) {
			return err
		}
		create, err := createSchema(ctx, db, h)
		if err != nil {
			return err
		}
		if create != "" {
			if _, err := h.SQL.ExecContext(ctx, create); err != nil {
				return err
			}
		}
		// Outside a transaction: River's 006 adds a value to an enum and then uses
		// it, which Postgres refuses within one.
		if err := migrateRiver(ctx, h, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		provider, err := provider(db, h)
		if err != nil {
			return err
		}
		return patiently(ctx, func() error {
			_, err := provider.Up(ctx)
			return err
		})
	})
}

// Down removes our tables and River's, with everything in them.
func Down(ctx context.Context, db DB) error {
	return locked(ctx, db, "migrate down", func(ctx context.Context, h *Handle) error {
		if err := check(ctx, db, h); err != nil {
			return err
		}
		if err := downTo(ctx, db, h, 0); err != nil {
			return err
		}
		return migrateRiver(ctx, h, rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: -1})
	})
}

// DownTo takes back our migrations newer than version, which is at least 1; River's
// stay. It is how a release's migrations are taken back before an older release is
// put in its place.
func DownTo(ctx context.Context, db DB, version int64) error {
	return locked(ctx, db, "migrate down", func(ctx context.Context, h *Handle) error {
		if version < 1 {
			return fmt.Errorf("%w: there is no version %d to go down to", mcptasks.ErrInvalid, version)
		}
		if err := check(ctx, db, h); errors.Is(err, ErrNewSchema) {
			return err // its way down is in the newer release
		}
		return downTo(ctx, db, h, version)
	})
}

func downTo(ctx context.Context, db DB, h *Handle, version int64) error {
	provider, err := provider(db, h)
	if err != nil {
		return err
	}
	return patiently(ctx, func() error {
		_, err := provider.DownTo(ctx, version)
		return err
	})
}

// Check returns nil if the schema is the one this release needs, else an error
// that is ErrOldSchema or ErrNewSchema and says what to do. It writes nothing.
func Check(ctx context.Context, db DB) error {
	return reading(ctx, db, "check schema", func(h *Handle) error { return check(ctx, db, h) })
}

func reading(ctx context.Context, db DB, op string, fn func(*Handle) error) error {
	h, err := db.Reading(ctx, quiet)
	if err != nil {
		return wrap(op, err)
	}
	defer func() { _ = h.Close() }()
	return wrap(op, fn(h))
}

func locked(ctx context.Context, db DB, op string, fn func(context.Context, *Handle) error) error {
	unlock, err := db.LockMigrations(ctx)
	if err != nil {
		return wrap(op, err)
	}
	defer unlock()
	h, err := db.Migrating(ctx, quiet)
	if err != nil {
		return wrap(op, err)
	}
	defer func() { _ = h.Close() }()
	return wrap(op, fn(ctx, h))
}

// wrap names the operation, unless the error already names one.
func wrap(op string, err error) error {
	var ours *mcptasks.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return &mcptasks.Error{Op: op, Err: err}
}

const (
	lockPatience = 5 * time.Minute
	lockPause    = 500 * time.Millisecond // in which those who queued behind go on
)

// patiently repeats a migration that another session's lock kept from its table.
func patiently(ctx context.Context, migrate func() error) error {
	for deadline := time.Now().Add(lockPatience); ; {
		err := migrate()
		if !isLocked(err) {
			return err
		}
		if time.Now().After(deadline) {
			return &mcptasks.Error{
				Op: "migrate", Err: fmt.Errorf("a table stayed locked by another session for %s: %w", lockPatience, err),
				Hint: "look in pg_stat_activity for a transaction that is open for long, and end it",
			}
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// isLocked says whether Postgres gave up waiting for a lock.
func isLocked(err error) bool {
	const lockNotAvailable = "55P03"
	var state interface{ SQLState() string }
	return errors.As(err, &state) && state.SQLState() == lockNotAvailable
}

func check(ctx context.Context, db DB, h *Handle) error {
	current, err := currentVersion(ctx, db, h)
	if err != nil {
		return wrap("check schema", err)
	}
	provider, err := provider(db, h)
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
	valid, err := h.River.Validate(ctx, nil)
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
func currentVersion(ctx context.Context, db DB, h *Handle) (int64, error) {
	versions, err := database.NewStore(db.Dialect(), tableName(db, versionTable))
	if err != nil {
		return 0, err
	}
	exists, err := tableExists(ctx, db, h, versionTable)
	if err != nil || !exists {
		return 0, err
	}
	version, err := versions.GetLatestVersion(ctx, h.SQL)
	if errors.Is(err, database.ErrVersionNotFound) {
		return 0, nil
	}
	return version, err
}

func tableExists(ctx context.Context, db DB, h *Handle, name string) (exists bool, err error) {
	query := "SELECT to_regclass($1) IS NOT NULL"
	if db.Dialect() == goose.DialectSQLite3 {
		query = "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = $1"
	}
	err = h.SQL.QueryRowContext(ctx, query, tableName(db, name)).Scan(&exists)
	return exists, err
}

// createSchema returns the statement that makes the schema, "" if it is there: to
// ask for it in vain would need the right to make it.
func createSchema(ctx context.Context, db DB, h *Handle) (string, error) {
	if db.Schema() == "" {
		return "", nil
	}
	var exists bool
	err := h.SQL.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", db.Schema()).Scan(&exists)
	if err != nil || exists {
		return "", err
	}
	return `CREATE SCHEMA IF NOT EXISTS "` + db.Schema() + `"`, nil
}

func tableName(db DB, table string) string {
	if db.Schema() == "" {
		return table
	}
	return db.Schema() + "." + table
}

func provider(db DB, h *Handle) (*goose.Provider, error) {
	dir, err := folder(db)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(db.Dialect(), h.SQL, dir,
		goose.WithTableName(tableName(db, versionTable)), goose.WithSlog(quiet), goose.WithDisableGlobalRegistry(true))
}

// folder holds the files of the kind of database.
func folder(db DB) (fs.FS, error) {
	folders := map[goose.Dialect]string{goose.DialectPostgres: "postgres", goose.DialectSQLite3: "sqlite"}
	return fs.Sub(files, folders[db.Dialect()])
}

func migrateRiver(ctx context.Context, h *Handle, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) error {
	return patiently(ctx, func() error {
		_, err := h.River.Migrate(ctx, direction, opts)
		return err
	})
}

// quiet: what migrations did is in their tables, and what failed in the error.
var quiet = slog.New(slog.DiscardHandler)
