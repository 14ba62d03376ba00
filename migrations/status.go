package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/pressly/goose/v3/database"
)

// State is a migration, and when it was applied.
type State struct {
	Version   int64     // as Pending's
	Name      string    // as Pending's
	AppliedAt time.Time // zero if it is pending
}

// Status returns River's migrations and then ours, each sorted by version: those that this
// release knows, and those that a newer release has applied, without their names. It
// changes nothing.
func Status(ctx context.Context, db DB) (states []State, err error) {
	err = reading(ctx, db, "migration status", func(h *Handle) error {
		rivers, err := riverStates(ctx, db, h)
		if err != nil {
			return err
		}
		ours, err := ourStates(ctx, db, h)
		states = slices.Concat(rivers, ours)
		return err
	})
	return states, err
}

const unknown = "(of a newer release)"

func riverStates(ctx context.Context, db DB, h *Handle) ([]State, error) {
	applied := make(map[int64]time.Time)
	exists, err := tableExists(ctx, db, h, "river_migration")
	if err != nil {
		return nil, err
	}
	if exists {
		rows, err := h.SQL.QueryContext(ctx, "SELECT version, created_at FROM "+tableName(db, "river_migration"))
		if err != nil {
			return nil, err
		}
		if applied, err = scanApplied(rows); err != nil {
			return nil, err
		}
	}
	names := make(map[int64]string)
	for _, version := range h.River.AllVersions() {
		names[int64(version.Version)] = riverName(version.Name)
	}
	return merge(names, applied, riverName(unknown)), nil
}

func scanApplied(rows *sql.Rows) (map[int64]time.Time, error) {
	defer func() { _ = rows.Close() }()
	applied := make(map[int64]time.Time)
	for rows.Next() {
		var version int64
		var at time.Time
		if err := rows.Scan(&version, &at); err != nil {
			return nil, err
		}
		applied[version] = at.UTC()
	}
	return applied, rows.Err()
}

func ourStates(ctx context.Context, db DB, h *Handle) ([]State, error) {
	provider, err := provider(db, h)
	if err != nil {
		return nil, err
	}
	names := make(map[int64]string)
	for _, source := range provider.ListSources() {
		names[source.Version] = ourName(source)
	}
	applied, err := ourApplied(ctx, db, h)
	return merge(names, applied, "mcptasks "+unknown), err
}

// ourApplied returns when our versions were applied, from goose's table.
func ourApplied(ctx context.Context, db DB, h *Handle) (map[int64]time.Time, error) {
	exists, err := tableExists(ctx, db, h, versionTable)
	if err != nil || !exists {
		return nil, err
	}
	versions, err := database.NewStore(db.Dialect(), tableName(db, versionTable))
	if err != nil {
		return nil, err
	}
	rows, err := versions.ListMigrations(ctx, h.SQL)
	if err != nil {
		return nil, err
	}
	applied := make(map[int64]time.Time)
	for _, row := range rows {
		if row.Version == 0 { // goose inserts it with its table
			continue
		}
		migration, err := versions.GetMigration(ctx, h.SQL, row.Version)
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", row.Version, err)
		}
		applied[row.Version] = migration.Timestamp.UTC()
	}
	return applied, nil
}

// merge returns the versions that are known or applied, sorted.
func merge(names map[int64]string, applied map[int64]time.Time, unknown string) []State {
	var states []State
	for version, name := range names {
		states = append(states, State{Version: version, Name: name, AppliedAt: applied[version]})
	}
	for version, at := range applied {
		if _, known := names[version]; !known {
			states = append(states, State{Version: version, Name: unknown, AppliedAt: at})
		}
	}
	slices.SortFunc(states, func(a, b State) int { return int(a.Version - b.Version) })
	return states
}
