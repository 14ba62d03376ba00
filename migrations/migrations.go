// Package migrations brings a database to the schema that this release needs: River's
// migrations first, then ours, which are numbered files for each kind of database. A
// released file never changes; a change of the schema is a new pair of statements, up and
// down. The package knows the order, the locks and the versions. It knows nothing of
// tasks, and neither driver of package store: those implement [DB].
//
// The functions are stable from v1.0.0 on; [DB] and [Handle] are for drivers and may change
// in a minor version.
package migrations

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/rivermigrate"
)

// Errors of Check; test with errors.Is.
var (
	// ErrOldSchema: the database lacks migrations of this release.
	ErrOldSchema = errors.New("the database schema is not migrated to this release")
	// ErrNewSchema: the database was migrated by a newer release.
	ErrNewSchema = errors.New("the database schema is newer than this release")
)

// DB is a database to migrate. Both drivers of package store implement it.
type DB interface {
	// Dialect is goose's name for the kind of database. The folder of its files has
	// the same name.
	Dialect() goose.Dialect

	// Schema is the schema that holds River's tables and ours, "" where the
	// database has no schemas.
	Schema() string

	// Reading returns a handle for reading the schema, on connections that may be
	// shared with others.
	Reading(ctx context.Context, logger *slog.Logger) (*Handle, error)

	// Migrating returns a handle for changing the schema. On its connections an
	// unqualified name is one of Schema, and no statement is ended because it runs for
	// long. A statement that waits for another session's lock may be ended: it is
	// repeated.
	Migrating(ctx context.Context, logger *slog.Logger) (*Handle, error)

	// LockMigrations waits until no other process migrates this schema, and makes
	// other processes wait until unlock is called.
	LockMigrations(ctx context.Context) (unlock func(), err error)
}

// Handle gives access to a database's schema until Close is called.
type Handle struct {
	SQL   *sql.DB
	River RiverMigrator
	Close func() error
}

// RiverMigrator is the part of *rivermigrate.Migrator that does not depend on its
// transaction type.
type RiverMigrator interface {
	AllVersions() []rivermigrate.Migration
	Migrate(ctx context.Context, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) (*rivermigrate.MigrateResult, error)
	Validate(ctx context.Context, opts *rivermigrate.ValidateOpts) (*rivermigrate.ValidateResult, error)
}
