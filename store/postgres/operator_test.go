package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// TestConnections counts the server's connections, also as a user who may not look at
// those of others.
func TestConnections(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		address := testdb.Postgres(t, migrate)
		connect := func() *pgx.Conn {
			conn, err := pgx.Connect(ctx, address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
			return conn
		}
		admin := connect()
		for range 20 {
			connect()
		}
		count := func(query string) (n int) {
			if err := admin.QueryRow(ctx, query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for name, url := range map[string]string{"of the superuser": address, "of a plain user": plainUser(t, admin, address)} {
			db, err := postgres.Open(ctx, url, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			seen := func() driver.Connections {
				_, connections, err := db.Server(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return connections
			}
			got, want := seen(), driver.Connections{}
			// The connections of other tests may be on their way out.
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); got = seen() {
				want = driver.Connections{
					Used: count(`SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`),
					Max:  count(`SELECT setting::int FROM pg_settings WHERE name = 'max_connections'`),
					Reserved: count(`SELECT sum(setting::int) FROM pg_settings
						WHERE name IN ('superuser_reserved_connections', 'reserved_connections')`),
				}
				if got == want {
					break
				}
			}
			if got != want || got.Used < 20 || got.Reserved == 0 {
				t.Errorf("the count %s is %+v, want %+v", name, got, want)
			}
		}
	})
}

// plainUser makes a user without privileges and returns its URL to the database.
func plainUser(t *testing.T, admin *pgx.Conn, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := "plain" + strings.TrimPrefix(u.Path, "/")
	if _, err := admin.Exec(t.Context(), `CREATE ROLE `+name+` LOGIN PASSWORD 'plain'`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(context.WithoutCancel(t.Context()), `DROP ROLE `+name); err != nil {
			t.Log(err)
		}
	})
	u.User = url.UserPassword(name, "plain")
	return u.String()
}
