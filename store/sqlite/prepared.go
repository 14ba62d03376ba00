package sqlite

import (
	"context"
	"database/sql"
)

// repeated are the statements that a batch repeats for each of its calls. To parse one
// takes as long as to run it, so they are prepared once, for the connection that writes.
var repeated = []string{insertJobSQL, insertSQL, claimSQL, reportSQL, failAttemptSQL, finishSQL}

// prepare returns the prepared statements. The first call needs the connection, so the
// caller must not have a transaction open.
func (d *Driver) prepare(ctx context.Context) (map[string]*sql.Stmt, error) {
	d.preparing.Lock()
	defer d.preparing.Unlock()
	if d.prepared != nil {
		return d.prepared, nil
	}
	prepared := make(map[string]*sql.Stmt, len(repeated))
	for _, query := range repeated {
		statement, err := d.writer.PrepareContext(ctx, query)
		if err != nil { // the schema does not exist yet
			for _, statement := range prepared {
				_ = statement.Close()
			}
			return nil, interpretError(err)
		}
		prepared[query] = statement
	}
	d.prepared = prepared
	return prepared, nil
}

// inBatch is InTx with the repeated statements prepared.
func (d *Driver) inBatch(ctx context.Context, fn func(batchTx) error) error {
	prepared, err := d.prepare(ctx)
	if err != nil {
		return err
	}
	return d.InTx(ctx, func(tx *sql.Tx) error {
		return fn(batchTx{Tx: tx, prepared: prepared, own: make(map[string]*sql.Stmt)})
	})
}

// batchTx is a transaction in which the repeated statements are prepared.
type batchTx struct {
	*sql.Tx
	prepared map[string]*sql.Stmt // the driver's
	own      map[string]*sql.Stmt // those of them that the transaction has used
}

// statement returns the prepared statement of the query in the transaction, nil if there is
// none.
func (t batchTx) statement(ctx context.Context, query string) *sql.Stmt {
	if t.own[query] == nil && t.prepared[query] != nil {
		t.own[query] = t.StmtContext(ctx, t.prepared[query])
	}
	return t.own[query]
}

// ExecContext is sql.Tx's. A prepared statement is not interrupted: it takes microseconds,
// and watching the context would take a goroutine.
func (t batchTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if statement := t.statement(ctx, query); statement != nil {
		return statement.ExecContext(context.WithoutCancel(ctx), args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryRowContext is sql.Tx's, and not interrupted either.
func (t batchTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement := t.statement(ctx, query); statement != nil {
		return statement.QueryRowContext(context.WithoutCancel(ctx), args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
