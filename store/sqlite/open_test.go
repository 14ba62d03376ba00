package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

func TestOpen(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Run("any path", testAnyPath)
		t.Run("relative path", testRelativePath)
		t.Run("URLs", testURLs)
		t.Run("refused", testRefused)
		t.Run("read-only", testReadOnly)
		t.Run("by several at once", testOpenedAtOnce)
		t.Run("schema", testSchema)
		t.Run("settings", testSettings)
	})
}

func testAnyPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a b.db", "a?mode=memory", "a#b", "100%", "%20", "a&b=c;d+e", "日本", ":memory:x", "file:a", "a'b\"c", `a\b`,
	} {
		dir := filepath.Join(t.TempDir(), name)
		path := filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		driver := open(t, path)
		if err := migrations.Up(t.Context(), driver); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := migrations.Check(t.Context(), driver); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		unlock, err := driver.LockWorker()
		if err != nil {
			t.Fatal(err)
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
		if left := names(t, dir); len(left) != 2 || left[0] != name || left[1] != name+".lock" {
			t.Errorf("%s: the directory holds %q, want the file and its lock", name, left)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func testRelativePath(t *testing.T) { // not parallel: it changes the directory
	dir := t.TempDir()
	t.Chdir(dir)
	driver := open(t, "tasks.db")
	t.Chdir(t.TempDir()) // connections opened from now on find the same file
	if err := migrations.Up(t.Context(), driver); err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Get(t.Context(), "", "none", now); !errors.Is(err, mcptasks.ErrNotFound) {
		t.Errorf("the error is %v, want %v", err, mcptasks.ErrNotFound)
	}
	if _, err := os.Stat(filepath.Join(dir, "tasks.db")); err != nil {
		t.Error(err)
	}
}

func testURLs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, url := range []string{"sqlite:tasks 1.db", "sqlite:" + filepath.Join(dir, "tasks#2.db"), "sqlite::memory:"} {
		operator, err := runner.OpenOperator(t.Context(), url, nil)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if _, err := operator.Survey(t.Context()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if err := operator.Close(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if left := names(t, dir); strings.Join(left, ", ") != "tasks 1.db, tasks 1.db.lock, tasks#2.db, tasks#2.db.lock" {
		t.Errorf("the directory holds %q", left)
	}
}

func testRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	const notes = "not a database"
	if err := os.WriteFile(text, []byte(notes), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, url, want string }{
		{"nothing", "sqlite:", "empty"},
		{"a host", "sqlite://tasks.db", "without //"},
		{"a NUL", "sqlite:a\x00b", "NUL"},
		{"no directory", "sqlite:" + filepath.Join(dir, "none", "tasks.db"), "does not exist"},
		{"a directory", "sqlite:" + dir, "is a directory"},
		{"below a file", "sqlite:" + filepath.Join(text, "tasks.db"), "may this process"},
		{"not a database", "sqlite:" + text, "not a database"},
	} {
		operator, err := runner.OpenOperator(t.Context(), tc.url, nil)
		if err == nil {
			_ = operator.Close()
		}
		var ours *mcptasks.Error
		if !errors.As(err, &ours) || (ours.Hint == "" && tc.name != "a NUL") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v, want one that says %q and what to do", tc.name, err, tc.want)
		}
	}
	if data, err := os.ReadFile(text); err != nil || string(data) != notes {
		t.Errorf("the file that is not a database is now %q, %v", data, err)
	}
	if left := names(t, dir); len(left) != 1 {
		t.Errorf("the directory holds %q, want only the notes", left)
	}
}

func testReadOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write every file")
	}
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := os.WriteFile(path, migratedFile(t), 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path)
	var ours *mcptasks.Error
	if !errors.As(err, &ours) || !strings.Contains(ours.Hint, "allowed to write") {
		t.Errorf("the error is %v, want one that says that the file cannot be written", err)
	}
	locked := t.TempDir()
	if err := os.Chmod(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), filepath.Join(locked, "tasks.db"))
	if !errors.As(err, &ours) || !strings.Contains(ours.Hint, locked) {
		t.Errorf("the error is %v, want one that names the directory", err)
	}
}

func testOpenedAtOnce(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	const nodes = 5
	errs := make(chan error, nodes)
	for range nodes {
		go func() {
			operator, err := runner.OpenOperator(t.Context(), url, nil)
			if err == nil {
				_, err = operator.Survey(t.Context())
				err = errors.Join(err, operator.Close())
			}
			errs <- err
		}()
	}
	for range nodes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func testSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tasks.db")
	driver := open(t, path)
	if _, err := driver.Get(t.Context(), "", "none", now); !errors.Is(err, migrations.ErrOldSchema) {
		t.Errorf("the error is %v, want %v", err, migrations.ErrOldSchema)
	}
	if err := migrations.Up(t.Context(), driver); err != nil {
		t.Fatal(err)
	}
	// A worker lives: who finds the schema as it should be needs no lock.
	unlock, err := driver.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unlock() }()
	operator, err := runner.OpenOperator(t.Context(), "sqlite:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := operator.Close(); err != nil {
		t.Error(err)
	}

	err = driver.InTx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO mcp_migration (version_id, is_applied) VALUES (99999, 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runner.OpenOperator(t.Context(), "sqlite:"+path, nil); !errors.Is(err, migrations.ErrNewSchema) {
		t.Errorf("the error is %v, want %v", err, migrations.ErrNewSchema)
	}
}

func testSettings(t *testing.T) {
	t.Parallel()
	driver := open(t, filepath.Join(t.TempDir(), "tasks.db"))
	for setting, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		err := driver.InTx(t.Context(), func(tx *sql.Tx) error {
			var got string
			err := tx.QueryRowContext(t.Context(), "PRAGMA "+setting).Scan(&got)
			if err == nil && got != want {
				t.Errorf("%s is %s, want %s", setting, got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
