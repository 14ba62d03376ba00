package sqlite

import (
	"context"
	"database/sql"
)

// repeated are the statements that a flush repeats for each of its calls. To parse one
// takes as long as to run it, so they are prepared once, for the connection that writes.
var repeated = []string{insertJobSQL, insertSQL, claimSQL, reportSQL, finishSQL}

// prepare prepares the repeated statements, if that has not been done. It needs the
// connection, so that no transaction may be open.
func (d *Driver) prepare(ctx context.Context) (err error) {
	d.preparing.Lock()
	defer d.preparing.Unlock()
	if d.prepared != nil {
		return nil
	}
	prepared := make(map[string]*sql.Stmt, len(repeated))
	for _, query := range repeated {
		if prepared[query], err = d.writer.PrepareContext(ctx, query); err != nil { // the schema is not there yet
			for _, statement := range prepared {
				if statement != nil {
					_ = statement.Close()
				}
			}
			return interpretError(err)
		}
	}
	d.prepared = prepared
	return nil
}

// flushTx is a transaction in which the repeated statements are prepared.
type flushTx struct {
	*sql.Tx
	prepared map[string]*sql.Stmt // in the transaction
}

// flush is InTx with the repeated statements prepared.
func (d *Driver) flush(ctx context.Context, fn func(flushTx) error) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	return d.InTx(ctx, func(tx *sql.Tx) error { return fn(d.flushTx(ctx, tx)) })
}

func (d *Driver) flushTx(ctx context.Context, tx *sql.Tx) flushTx {
	t := flushTx{tx, make(map[string]*sql.Stmt)}
	d.preparing.Lock()
	defer d.preparing.Unlock()
	for query, statement := range d.prepared {
		t.prepared[query] = tx.StmtContext(ctx, statement)
	}
	return t
}

// ExecContext is sql.Tx's. A repeated statement is not interrupted: it is done in
// microseconds, and to listen for the context's end is a goroutine.
func (t flushTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if statement := t.prepared[query]; statement != nil {
		return statement.ExecContext(context.WithoutCancel(ctx), args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryRowContext is sql.Tx's, as ExecContext.
func (t flushTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement := t.prepared[query]; statement != nil {
		return statement.QueryRowContext(context.WithoutCancel(ctx), args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
