// Package testdb gives each test a Postgres database of its own.
//
// The server comes from the first of these that there is:
//
//  1. MCPTASKS_TEST_DATABASE_URL, a postgres:// URL whose user may create databases;
//  2. a Docker engine that answers at once;
//  3. PostgreSQL's programs, on PATH or where the distributions put them, as a throwaway cluster that listens on a
//     Unix socket in a temporary directory and dies with the process.
//
// It starts with the first call that needs it, once a process, so once a package under go test.
package testdb

import (
	"context"
	"os"
	"testing"
)

const (
	envURL      = "MCPTASKS_TEST_DATABASE_URL"
	envPostgres = "MCPTASKS_TEST_POSTGRES" // "required": a missing Postgres fails a test instead of skipping it

	hint = "start Docker, install PostgreSQL, or set " + envURL
)

var shared = process{sources: host}

// Postgres returns the URL of a database of the test's own, which is dropped when the test and its later cleanups have
// ended. It is cloned from a template that migrate filled once per process: the first call's migrate is the one that
// runs, so a test package passes the same one everywhere. When migrate returns, its connections to url must be closed.
//
// Without a Postgres the test is skipped with a line that says how to get one, or fails if MCPTASKS_TEST_POSTGRES is
// "required". A server that is there and refuses fails the test.
//
// Postgres may be called from parallel tests; clones are made one after the other. It leaves no goroutine behind, but
// testcontainers does when the server is Docker's: call it before goleak.IgnoreCurrent.
func Postgres(tb testing.TB, migrate func(ctx context.Context, url string) error) string {
	tb.Helper()
	return shared.database(tb, migrate)
}

// Absent skips a test for which no Postgres can be had, err says why, or fails it if MCPTASKS_TEST_POSTGRES is "required".
func Absent(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv(envPostgres) == "required" {
		tb.Fatal(err)
	}
	tb.Skip(err)
}

// Main runs m, then removes what Postgres started, and returns the exit code. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }
//
// A process that ends without it, killed or by a panic, leaves a cluster no longer than it takes to stop one; databases
// on a server named by MCPTASKS_TEST_DATABASE_URL are dropped by the next process that uses that server.
func Main(m *testing.M) int {
	code := m.Run()
	shared.close()
	return code
}

// Server starts a server of the caller's own, or finds the one MCPTASKS_TEST_DATABASE_URL names, and returns the URL of
// its maintenance database and a function that removes what was started. Calling stop again does nothing. A server it
// starts has fsync on, for programs that prove what survives, and lives until stop or the process's end: keep stop. Cancelling ctx
// ends only the starting. When no Postgres
// can be had, the error says how to get one.
func Server(ctx context.Context) (url string, stop func(), err error) {
	srv, err := host.open(ctx, durable)
	if err != nil {
		return "", nil, err
	}
	return srv.url, srv.stop, nil
}
