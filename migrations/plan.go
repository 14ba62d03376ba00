package migrations

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/rivermigrate"
)

// Pending is a migration that Up would run.
type Pending struct {
	// Version is one of River's numbers or one of ours, which are counted separately,
	// and 0 for the schema itself.
	Version int64
	// Name is "river …" for one of River's, "mcptasks …" for one of ours.
	Name string
	// SQL is what it runs. River and goose also record in their own tables that it
	// was run.
	SQL string
}

// Plan returns what Up would run, in order: the schema if it does not exist, River's
// migrations, ours. It returns none if the schema is the one of this release, and
// ErrNewSchema if a newer release has migrated it. It changes nothing and waits for no
// lock.
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

// upSection returns the statements of a file that apply it, without goose's marks.
func upSection(text string) string {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	lines := slices.DeleteFunc(strings.Split(up, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "-- +goose")
	})
	return strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}
