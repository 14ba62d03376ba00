package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river/rivermigrate"

	"github.com/mcptasks/mcptasks"
)

// Up applies the migrations that the database lacks. Any number of processes may call it
// at once: one migrates, the others wait and then find nothing to do. Nodes may work
// meanwhile: a statement that needs the lock of a table waits for two seconds at a time,
// since other statements queue behind it, and for five minutes in all. Up returns
// ErrNewSchema if a newer release has migrated the database.
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

// Down removes our tables and River's, with all tasks and jobs. It returns an error
// unless the schema is the one of this release.
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

// DownTo reverts our migrations that are newer than version, which is at least 1. River's
// stay. Call it before an older release replaces this one. It returns ErrNewSchema if a
// newer release has migrated the database.
func DownTo(ctx context.Context, db DB, version int64) error {
	return locked(ctx, db, "migrate down", func(ctx context.Context, h *Handle) error {
		if version < 1 {
			return fmt.Errorf("%w: there is no version %d to go down to", mcptasks.ErrInvalid, version)
		}
		if err := check(ctx, db, h); errors.Is(err, ErrNewSchema) {
			return err // only the newer release knows the way down
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

func migrateRiver(ctx context.Context, h *Handle, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) error {
	return patiently(ctx, func() error {
		_, err := h.River.Migrate(ctx, direction, opts)
		return err
	})
}
