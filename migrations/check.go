package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/mcptasks/mcptasks"
)

// Check returns nil if the schema is the one that this release needs, and otherwise an
// error that is ErrOldSchema or ErrNewSchema and says what to do. It writes nothing.
func Check(ctx context.Context, db DB) error {
	return reading(ctx, db, "check schema", func(h *Handle) error { return check(ctx, db, h) })
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

// currentVersion returns the newest of our versions that is applied, 0 for none.
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
