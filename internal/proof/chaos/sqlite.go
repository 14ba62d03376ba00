//go:build unix

package main

import (
	"context"
	"database/sql"
	"net/url"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
)

// file reads the run's SQLite database.
type file struct{ db *sql.DB }

// openFile opens the file, which a node creates, for reading.
func openFile(path string) (*file, error) {
	uri := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", uri.String()) // the driver that store/sqlite brings
	if err != nil {
		return nil, err
	}
	return &file{db}, nil
}

func (f *file) live(ctx context.Context) ([]waiting, error) {
	var tasks []waiting
	var t waiting
	var micros int64
	err := f.query(ctx, `SELECT id, owner, tool, status, updated_at FROM mcp_task WHERE finished_at IS NULL ORDER BY created_at`,
		[]any{&t.ID, &t.Owner, &t.Tool, &t.Status, &micros}, func() {
			t.UpdatedAt = time.UnixMicro(micros)
			tasks = append(tasks, t)
		})
	return tasks, err
}

func (f *file) tables(ctx context.Context) (history.Tables, error) {
	return readTables("at", func(query string, dest []any, each func()) error { return f.query(ctx, query, dest, each) })
}

func (f *file) query(ctx context.Context, query string, dest []any, each func()) error {
	rows, err := f.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		each()
	}
	return rows.Err()
}
