package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/rivermigrate"
)

// Pending is a migration that Up would run.
type Pending struct {
	// Version counts River's migrations and ours apart. It is 0 for the schema
	// itself.
	Version int64
	// Name is "river …" for one of River's, "mcptasks …" for one of ours.
	Name string
	// SQL is what it runs. River and goose note besides, in their own tables,
	// that it was run.
	SQL string
}

// Plan returns what Up would run, in order: the schema, if there is none, River's
// migrations, ours. Nothing if the schema is this release's; ErrNewSchema if it is
// a newer one's. It changes nothing and waits for nobody's lock.
func Plan(ctx context.Context, db DB) (plan []Pending, err error) {
	err = reading(ctx, db, "plan migrations", func(h *Handle) error {
		if err := check(ctx, db, h); !errors.Is(err, ErrOldSchema) {
			return err
		}
		create, err := createSchema(ctx, db, h)
		if err != nil {
			return err
		}
		if create != "" {
			plan = append(plan, Pending{Name: "schema " + db.Schema(), SQL: create + ";\n"})
		}
		river, err := h.River.Migrate(ctx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{DryRun: true})
		if err != nil {
			return err
		}
		for _, version := range river.Versions {
			plan = append(plan, Pending{Version: int64(version.Version), Name: riverName(version.Name), SQL: version.SQL})
		}
		current, err := currentVersion(ctx, db, h)
		if err != nil {
			return err
		}
		ours, err := pendingSince(db, h, current)
		plan = append(plan, ours...)
		return err
	})
	return plan, err
}

func riverName(name string) string { return "river " + name }

func ourName(source *goose.Source) string {
	name := strings.TrimSuffix(path.Base(source.Path), ".sql")
	_, name, _ = strings.Cut(name, "_")
	return "mcptasks " + strings.ReplaceAll(name, "_", " ")
}

func pendingSince(db DB, h *Handle, current int64) (pending []Pending, err error) {
	provider, err := provider(db, h)
	if err != nil {
		return nil, err
	}
	dir, err := folder(db)
	if err != nil {
		return nil, err
	}
	for _, source := range provider.ListSources() {
		if source.Version <= current {
			continue
		}
		text, err := fs.ReadFile(dir, source.Path)
		if err != nil {
			return nil, err
		}
		up := upSection(string(text))
		if db.Schema() != "" {
			up = `SET LOCAL search_path TO "` + db.Schema() + "\";\n" + up
		}
		pending = append(pending, Pending{Version: source.Version, Name: ourName(source), SQL: up})
	}
	return pending, nil
}

// upSection returns a file's statements for the way up, without goose's marks.
func upSection(text string) string {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	lines := slices.DeleteFunc(strings.Split(up, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "-- +goose")
	})
	return strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}

// State is a migration and whether it has been applied.
type State struct {
	Version   int64     // as Pending's
	Name      string    // as Pending's
	AppliedAt time.Time // zero: it is pending
}

// Status returns River's migrations and ours, each by version: those this release
// knows, and those that a newer one has applied, whose names it does not. It
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

// ourApplied reads goose's table.
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
		if row.Version == 0 { // goose's own beginning
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

// merge returns the known versions and the applied ones, by version.
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
