package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// idsPerNotification keeps a notification within Postgres's limit of 8000 bytes.
const idsPerNotification = 200

const notifySQL = `SELECT pg_notify($1, note) FROM unnest($2::text[]) AS note`

// NotifyChanged implements driver.NotifyDriver.
func (d *Driver) NotifyChanged(ctx context.Context, ids []string) error {
	var notes []string
	for len(ids) > 0 {
		n := min(len(ids), idsPerNotification)
		notes = append(notes, strings.Join(ids[:n], " "))
		ids = ids[n:]
	}
	_, err := d.pool.Exec(ctx, notifySQL, d.channel(), notes)
	return interpretError(err)
}

// Listen implements driver.NotifyDriver.
func (d *Driver) Listen(ctx context.Context, ready func(), changed func(ids []string)) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{d.channel()}.Sanitize()); err != nil {
		return interpretError(err)
	}
	ready()
	for {
		note, err := conn.WaitForNotification(ctx)
		if err != nil {
			return interpretError(err)
		}
		changed(strings.Fields(note.Payload))
	}
}

// channel is named after the schema: other schemas of the database may have tasks, too.
func (d *Driver) channel() string { return "mcptasks_" + d.schema }
