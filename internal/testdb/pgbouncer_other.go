//go:build !unix

package testdb

import "testing"

// PgBouncer skips the test: a throwaway PgBouncer needs a Unix system.
func PgBouncer(tb testing.TB, _ string) func(url string) string {
	tb.Skip("a throwaway PgBouncer needs a Unix system")
	return nil
}
