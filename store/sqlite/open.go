package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mcptasks/mcptasks"
)

const (
	memory = ":memory:"

	busyTimeout = 5 * time.Second // for another process's transaction to end
	readers     = 4
)

// Open returns a driver on the file at path, which is made if there is none, or
// with ":memory:" on a database of its own that is gone when the driver is closed.
// The path is taken as it is, whatever characters are in it. Open fails if the
// file cannot be written; it does not look at the schema.
func Open(ctx context.Context, path string) (*Driver, error) {
	switch {
	case path == "":
		return nil, &mcptasks.Error{
			Op:   "open",
			Err:  fmt.Errorf("%w: the SQLite path is empty", mcptasks.ErrInvalid),
			Hint: "name a file, or " + memory,
		}
	case strings.ContainsRune(path, 0):
		return nil, &mcptasks.Error{Op: "open", Err: fmt.Errorf("%w: the SQLite path has a NUL in it", mcptasks.ErrInvalid)}
	case path == memory:
		return openMemory(ctx)
	}
	// The path is made absolute: connections are opened later, when the process may have
	// another working directory.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, &mcptasks.Error{Op: "open", Err: err}
	}
	driver, err := openFile(ctx, path)
	if err != nil {
		return nil, explain(path, err)
	}
	return driver, nil
}

// pathOf returns the path in a sqlite: URL.
func pathOf(url string) (string, error) {
	path := strings.TrimPrefix(url, "sqlite:")
	if strings.HasPrefix(path, "//") {
		return "", &mcptasks.Error{
			Op:   "open",
			Err:  fmt.Errorf("%w: a SQLite URL has a path, no host", mcptasks.ErrInvalid),
			Hint: "write sqlite:relative/path.db, sqlite:/absolute/path.db or sqlite:" + memory + ", without //",
		}
	}
	return path, nil
}

func openMemory(ctx context.Context) (*Driver, error) {
	writer, err := openWriter(ctx, "file:"+memory)
	if err != nil {
		return nil, &mcptasks.Error{Op: "open", Err: err}
	}
	return &Driver{writer: writer, reader: writer, river: riversqlite.New(writer)}, nil
}

func openFile(ctx context.Context, path string) (*Driver, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, errDirectory
	}
	writer, err := openWriter(ctx, fileURI(path))
	if err != nil {
		return nil, err
	}
	reader, err := openReader(ctx, fileURI(path))
	if err != nil {
		_ = writer.Close()
		return nil, err
	}
	// The file has one lock, whatever links lead to it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		_ = reader.Close()
		_ = writer.Close()
		return nil, err
	}
	return &Driver{writer: writer, reader: reader, lockPath: real + ".lock", river: riversqlite.New(writer)}, nil
}

// fileURI returns the URI by which SQLite opens the path.
func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// openWriter opens the one connection that writes. SQLite has one writer at a time. The
// other writers of this process wait in database/sql, in order.
func openWriter(ctx context.Context, uri string) (*sql.DB, error) {
	options := url.Values{
		"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
		"_foreign_keys": {"on"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"}, // with NORMAL a power loss undoes acknowledged commits
		"_txlock":       {"immediate"},
	}
	db, err := sql.Open("sqlite", uri+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1) // never closed: a database in memory lives in it
	// Two processes that set a new file's journal mode at the same time do not wait for
	// each other.
	if err := repeat(ctx, func() error { return checkWritable(ctx, db) }); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// checkWritable begins a write and rolls it back: SQLite opens a read-only file without an
// error.
func checkWritable(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, "PRAGMA user_version = 0")
	return err
}

// openReader opens the connections for reads, which do not wait for writes.
func openReader(ctx context.Context, uri string) (*sql.DB, error) {
	options := url.Values{
		"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
		"mode":          {"ro"},
	}
	db, err := sql.Open("sqlite", uri+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

var errDirectory = errors.New("it is a directory")

// explain returns the error for a file that cannot be opened, with a hint.
func explain(path string, err error) error {
	dir := filepath.Dir(path)
	hint := ""
	switch primary(resultCode(err)) {
	case sqlite3.SQLITE_CANTOPEN:
		hint = fmt.Sprintf("may this process make and write files in %s?", dir)
		if _, statErr := os.Stat(dir); errors.Is(statErr, fs.ErrNotExist) {
			err = fmt.Errorf("the directory %s does not exist: %w", dir, err)
			hint = "make the directory first"
		}
	case sqlite3.SQLITE_NOTADB:
		hint = "name another file; this one is as it was"
	case sqlite3.SQLITE_READONLY:
		hint = "this process must be allowed to write the file, and to make files beside it"
	case sqlite3.SQLITE_BUSY:
		hint = "another process has been writing to it for long: is it stuck?"
	}
	if errors.Is(err, errDirectory) {
		hint = "name a file in it"
	}
	return &mcptasks.Error{Op: "open", Err: fmt.Errorf("SQLite file %s: %w", path, err), Hint: hint}
}
