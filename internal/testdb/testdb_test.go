package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

var migrations atomic.Int32

func migrate(ctx context.Context, url string) error {
	migrations.Add(1)
	return run(ctx, url, "CREATE TABLE note (text text); INSERT INTO note VALUES ('template')")
}

func TestPostgresIsolatesClones(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			url := Postgres(t, migrate)
			if err := run(t.Context(), url, fmt.Sprintf("INSERT INTO note VALUES ('%d')", i)); err != nil {
				t.Fatal(err)
			}
			got := ask[[]string](t, url, "SELECT array_agg(text ORDER BY text) FROM note")
			if want := []string{fmt.Sprint(i), "template"}; !slices.Equal(got, want) {
				t.Errorf("notes are %v, want %v", got, want)
			}
			if n := migrations.Load(); n != 1 {
				t.Errorf("migrated %d times, want once a process", n)
			}
		})
	}
}

func TestPostgresDropsItsDatabase(t *testing.T) {
	t.Parallel()
	var gone string
	t.Run("a test", func(t *testing.T) { gone = Postgres(t, migrate) })
	if gone == "" {
		Absent(t, errors.New("its test had no Postgres"))
	}
	conn, err := pgx.Connect(t.Context(), gone)
	if err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database of an ended test still takes connections")
	}
}

func TestPostgresOnServerOfURL(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	// Left by a run that was killed, and by one that lives.
	for _, sql := range []string{"CREATE DATABASE mcptasks_test_dead_1", "CREATE DATABASE mcptasks_test_live_1"} {
		if err := run(t.Context(), url, sql); err != nil {
			t.Fatal(err)
		}
	}
	live, err := pgx.Connect(t.Context(), url+"&application_name=mcptasks_test_live")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = live.Close(context.Background()) }()

	p := process{sources: sources{getenv: env(envURL, url)}}
	t.Run("a test", func(t *testing.T) {
		if got := ask[string](t, p.database(t, migrateQuietly), "SELECT current_database()"); !strings.HasPrefix(got, p.run+"_") {
			t.Errorf("the database is %s, want one of run %s", got, p.run)
		}
	})
	p.close()
	const left = "SELECT array_agg(datname::text) FROM pg_database WHERE datname LIKE 'mcptasks%'"
	if got, want := ask[[]string](t, url, left), []string{"mcptasks_test_live_1"}; !slices.Equal(got, want) {
		t.Errorf("databases left: %v, want %v", got, want)
	}
}

func TestPostgresMissing(t *testing.T) {
	t.Parallel()
	none := sources{
		docker:   func(context.Context, durability) (server, error) { return server{}, errors.New("docker: no engine") },
		binaries: func() (string, error) { return findBinariesIn(nowhere, noGlob) },
	}
	for _, tc := range []struct{ setting, want string }{{"", "skip"}, {"required", "fail"}} {
		none.getenv = env(envPostgres, tc.setting)
		p := process{sources: none}
		verdict, line := record(func(tb testing.TB) { p.database(tb, migrateQuietly) })
		if verdict != tc.want || !strings.Contains(line, hint) || strings.Contains(line, "\n") {
			t.Errorf("%s=%q: %s with %q, want %s with one line that says: %s", envPostgres, tc.setting, verdict, line, tc.want, hint)
		}
	}
}

func TestPostgresBroken(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	for name, tc := range map[string]struct {
		url     string
		migrate func(context.Context, string) error
		want    string
	}{
		"not a URL":        {"host=/nowhere", migrateQuietly, envURL},
		"nobody listens":   {"postgres:///postgres?host=/nowhere", migrateQuietly, "connecting"},
		"migration failed": {url, func(context.Context, string) error { return errors.New("boom") }, "boom"},
	} {
		p := process{sources: sources{getenv: env(envURL, tc.url)}}
		for range 2 { // the second test is told too
			verdict, line := record(func(tb testing.TB) { p.database(tb, tc.migrate) })
			if verdict != "fail" || !strings.Contains(line, tc.want) {
				t.Errorf("%s: %s with %q, want a failure that says %q", name, verdict, line, tc.want)
			}
		}
		p.close()
	}
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{"9/bin/initdb", "9/bin/pg_ctl", "9/bin/postgres", "15/bin/initdb", "15/bin/pg_ctl", "15/bin/postgres", "17/bin/initdb"} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	glob := func(pattern string) ([]string, error) {
		if pattern != folders[0] {
			return nil, nil
		}
		return filepath.Glob(root + "/*/bin")
	}
	got, err := findBinariesIn(nowhere, glob)
	if err != nil || !strings.HasSuffix(got, "/15/bin") {
		t.Errorf("found %q, %v, want the newest folder that holds a server, 15/bin", got, err)
	}
	onPath := func(string) (string, error) { return filepath.Join(root, "9/bin/initdb"), nil }
	if got, err := findBinariesIn(onPath, glob); err != nil || !strings.HasSuffix(got, "/9/bin") {
		t.Errorf("found %q, %v, want PATH's first", got, err)
	}
}

func startServer(t *testing.T) string {
	t.Helper()
	url, stop, err := Server(t.Context())
	if err != nil {
		Absent(t, err)
	}
	t.Cleanup(stop)
	return url
}

func migrateQuietly(context.Context, string) error { return nil }

func nowhere(string) (string, error) { return "", errors.New("not found") }

func noGlob(string) ([]string, error) { return nil, nil }

func env(key, value string) func(string) string {
	return func(asked string) string {
		if asked == key {
			return value
		}
		return ""
	}
}

func run(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func ask[T any](t *testing.T, url, sql string) T {
	t.Helper()
	var answer T
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

// record returns how a test that runs fn would end, and what it would say.
func record(fn func(testing.TB)) (verdict, line string) {
	r := &recorder{verdict: "pass"}
	var wg sync.WaitGroup
	wg.Go(func() { fn(r) })
	wg.Wait()
	return r.verdict, r.line
}

type recorder struct {
	testing.TB
	verdict, line string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Skipf(format string, args ...any)  { r.end("skip", format, args) }
func (r *recorder) Fatalf(format string, args ...any) { r.end("fail", format, args) }

func (r *recorder) end(verdict, format string, args []any) {
	r.verdict, r.line = verdict, fmt.Sprintf(format, args...)
	runtime.Goexit()
}
