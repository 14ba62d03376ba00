package onpostgres

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mcptasks/mcptasks/internal/testdb"
)

// silent returns the address of a server that accepts connections and sends nothing.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// TestExhaustedConnections opens the connections of a small server one by one. Doctor
// reports a fault before they are all in use, and when it gets none itself.
func TestExhaustedConnections(t *testing.T) {
	cluster, err := testdb.StartCluster(t.Context())
	if err != nil {
		testdb.Absent(t, err)
	}
	t.Cleanup(cluster.Stop)
	exec(t, cluster.URL, "ALTER SYSTEM SET max_connections = 20")
	if err := cluster.Restart(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), cluster.URL); err != nil {
		t.Fatal(err)
	}
	if r, _ := examine(t, cluster.URL); !r.Healthy {
		t.Fatalf("before: %+v", r.Checks)
	}

	open := func(most int) (opened int) {
		for ; opened < most; opened++ {
			conn, err := pgx.Connect(t.Context(), cluster.URL)
			var full *pgconn.PgError
			if errors.As(err, &full) && full.Code == "53300" {
				return opened
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
		}
		return opened
	}
	open(14)
	r, code := examine(t, cluster.URL)
	r.wantFaults(t, []string{"connections"}, "max_connections", "of the server's 17 connections are in use")
	if code != 5 {
		t.Errorf("exit code %d", code)
	}
	open(20)
	r, code = examine(t, cluster.URL)
	r.wantFaults(t, []string{"connections"}, "pool_max_conns", "the server accepts no more connections")
	if code != 5 {
		t.Errorf("exit code %d", code)
	}
}
