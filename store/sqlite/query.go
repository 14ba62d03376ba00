package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// querier is a pool or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// exec runs a statement and reports whether it changed a row.
func exec(ctx context.Context, tx querier, query string, args ...any) (changed bool, err error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, interpretError(err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// each calls fn for each row of a query.
func each(ctx context.Context, db querier, query string, args []any, fn func(row scanner) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return interpretError(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return interpretError(rows.Err())
}

// strings returns the values of a query that has one text column.
func (d *Driver) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	var values []string
	err := each(ctx, d.reader, query, args, func(row scanner) error {
		var value string
		err := row.Scan(&value)
		values = append(values, value)
		return err
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// write runs a statement in a transaction of its own and returns how many rows it
// changed.
func (d *Driver) write(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = d.InTx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return interpretError(err)
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// text returns JSON as a column takes it, NULL for nil. Bytes would be stored as a blob.
func text(data json.RawMessage) any {
	if data == nil {
		return nil
	}
	return string(data)
}

// array returns a JSON array of strings, as text.
func array(values []string) (string, error) {
	if values == nil {
		values = []string{}
	}
	data, err := json.Marshal(values)
	return string(data), err
}

// since1970 returns a time as a column takes it, NULL for the zero time.
func since1970(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func micros(n int64) time.Time { return time.UnixMicro(n).UTC() }

func microsOrZero(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return micros(n.Int64)
}
