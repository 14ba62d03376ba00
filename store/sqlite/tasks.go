package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const insertSQL = `
INSERT INTO mcp_task (
    id, owner, tool, queue, priority, args, request_meta, status,
    ttl, poll_interval, job_id, max_attempts, run_timeout, deadline_at,
    idempotency_key, args_hash, retry_of, created_at, updated_at, trace_context)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, nullif(?11, 0), ?12, ?13, ?14, nullif(?15, ''), ?16, nullif(?17, ''), ?18, ?19, nullif(?20, ''))`

// insertJobSQL has the values and defaults of River's own insert. The defaults of its table
// would have times without fractions.
const insertJobSQL = `
INSERT INTO river_job (args, kind, max_attempts, priority, queue, created_at, scheduled_at)
VALUES (jsonb_object('task_id', ?1), 'mcptask', ?2, ?3, ?4, datetime('now', 'subsec'), datetime('now', 'subsec'))`

// Insert implements driver.CallDriver.
func (d *Driver) Insert(ctx context.Context, tasks []*driver.Row) error {
	return d.inBatch(ctx, func(tx batchTx) error {
		if err := insert(ctx, tx, tasks); err != nil {
			return err
		}
		if len(tasks) == 0 {
			return nil
		}
		return d.river.UnwrapExecutor(tx.Tx).NotifyMany(ctx, riverdb.JobNotifications("", driver.Queues(tasks)))
	})
}

// InsertTx implements driver.CallDriver.
func (d *Driver) InsertTx(ctx context.Context, tx *sql.Tx, tasks []*driver.Row) error {
	return insert(ctx, tx, tasks)
}

func insert(ctx context.Context, tx querier, tasks []*driver.Row) error {
	for _, t := range tasks {
		job, err := tx.ExecContext(ctx, insertJobSQL, t.ID, riverdb.JobAttempts, t.Priority, t.Queue)
		if err != nil {
			return interpretError(err)
		}
		id, err := job.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertSQL, columns(t, id)...); err != nil {
			return interpretError(err)
		}
	}
	return nil
}

// columns returns the values that insertSQL stores. The job is 0 for none.
func columns(t *driver.Row, jobID int64) []any {
	return []any{
		t.ID, string(t.Owner), t.Tool, t.Queue, t.Priority, text(t.Arguments), text(t.RequestMeta), string(t.Status),
		t.TTL.Milliseconds(), t.PollInterval.Milliseconds(), jobID, t.MaxAttempts, t.RunTimeout.Milliseconds(), since1970(t.DeadlineAt),
		t.IdempotencyKey, t.ArgsHash, t.RetryOf, t.CreatedAt.UnixMicro(), t.UpdatedAt.UnixMicro(), t.TraceContext,
	}
}

const freeKeySQL = `
UPDATE mcp_task SET idempotency_key = NULL
WHERE owner = ?1 AND tool = ?2 AND idempotency_key = ?3 AND expires_at <= ?4`

const insertKeyedSQL = insertSQL + `
ON CONFLICT (owner, tool, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING`

const keyedSQL = `SELECT id, args_hash FROM mcp_task WHERE owner = ?1 AND tool = ?2 AND idempotency_key = ?3`

// InsertKeyed implements driver.CallDriver.
func (d *Driver) InsertKeyed(ctx context.Context, tx *sql.Tx, task *driver.Row, now time.Time) (id string, argsHash []byte, err error) {
	if _, err := exec(ctx, tx, freeKeySQL, string(task.Owner), task.Tool, task.IdempotencyKey, now.UnixMicro()); err != nil {
		return "", nil, err
	}
	if _, err := exec(ctx, tx, insertKeyedSQL, columns(task, 0)...); err != nil {
		return "", nil, err
	}
	err = tx.QueryRowContext(ctx, keyedSQL, string(task.Owner), task.Tool, task.IdempotencyKey).Scan(&id, &argsHash)
	return id, argsHash, interpretError(err)
}

// SQLite uses a partial index only if the query has its condition word for word. So every
// query that is meant to use mcp_task_live has it, besides what it implies.
const insertAnswerSQL = `
INSERT INTO mcp_task_input (task_id, key, method, params, response, asked_at, deadline_at, answered_at)
VALUES (?1, ?2, '', '', ?3, ?4, ?4, ?4)`

// InsertAnswers implements driver.CallDriver.
func (d *Driver) InsertAnswers(ctx context.Context, tx *sql.Tx, id string, responses map[string]json.RawMessage, now time.Time) error {
	for key, response := range responses {
		if _, err := exec(ctx, tx, insertAnswerSQL, id, key, text(response), now.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

const countsSQL = `
SELECT (SELECT count(*) FROM mcp_task WHERE +owner = ?1 AND status IN ('working', 'input_required')),
       (SELECT count(*) FROM mcp_task
        WHERE status IN ('working', 'input_required') AND status = 'working' AND queue = ?2 AND run_token IS NULL)`

// Counts implements driver.CallDriver.
func (d *Driver) Counts(ctx context.Context, tx *sql.Tx, owner mcptasks.Owner, queue string) (live, backlog int, err error) {
	err = tx.QueryRowContext(ctx, countsSQL, string(owner), queue).Scan(&live, &backlog)
	return live, backlog, interpretError(err)
}

const taskColumns = `id, owner, tool, status, status_message, ttl, poll_interval, created_at, updated_at, finished_at, expires_at`

const getSQL = `
SELECT ` + taskColumns + `, outcome, is_error
FROM mcp_task
WHERE id = ?1 AND owner = ?2 AND (expires_at IS NULL OR expires_at > ?3)`

// Get implements driver.CallDriver. Status and questions are of one moment: both are
// read in one transaction.
func (d *Driver) Get(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error) {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, interpretError(err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	return getTask(ctx, tx, owner, id, now)
}

// GetMany implements driver.CallDriver.
func (d *Driver) GetMany(ctx context.Context, names []driver.Name, now time.Time) ([]*mcptasks.Task, error) {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, interpretError(err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	var tasks []*mcptasks.Task
	for _, name := range names {
		task, err := getTask(ctx, tx, name.Owner, name.ID, now)
		switch {
		case errors.Is(err, mcptasks.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			tasks = append(tasks, task)
		}
	}
	return tasks, nil
}

func getTask(ctx context.Context, tx *sql.Tx, owner mcptasks.Owner, id string, now time.Time) (_ *mcptasks.Task, err error) {
	var (
		task    mcptasks.Task
		outcome []byte
		isError bool
	)
	row := tx.QueryRowContext(ctx, getSQL, id, string(owner), now.UnixMicro())
	if err := scanTask(row, &task, &outcome, &isError); err != nil {
		return nil, interpretError(err)
	}
	if task.Status == mcptasks.StatusInputRequired {
		if task.Questions, err = questions(ctx, tx, openQuestionsSQL, id); err != nil {
			return nil, err
		}
	}
	if outcome != nil {
		task.Outcome, err = driver.DecodeOutcome(task.Status, outcome, isError)
	}
	return &task, err
}

// scanTask reads taskColumns, and the columns after them into more.
func scanTask(row scanner, task *mcptasks.Task, more ...any) error {
	var (
		ttl, pollInterval     int64
		createdAt, updatedAt  int64
		finishedAt, expiresAt sql.NullInt64
	)
	err := row.Scan(append([]any{
		&task.ID, &task.Owner, &task.Tool, &task.Status, &task.StatusMessage, &ttl, &pollInterval,
		&createdAt, &updatedAt, &finishedAt, &expiresAt,
	}, more...)...)
	if err != nil {
		return err
	}
	task.TTL = time.Duration(ttl) * time.Millisecond
	task.PollInterval = time.Duration(pollInterval) * time.Millisecond
	task.CreatedAt, task.UpdatedAt = micros(createdAt), micros(updatedAt)
	task.FinishedAt, task.ExpiresAt = microsOrZero(finishedAt), microsOrZero(expiresAt)
	return nil
}

const questionsSQL = `
SELECT key, method, params, response, answered_at IS NOT NULL
FROM mcp_task_input
WHERE task_id = ?1`

const openQuestionsSQL = questionsSQL + ` AND answered_at IS NULL`

// questions returns a task's questions by key.
func questions(ctx context.Context, tx querier, query, taskID string) (map[string]mcptasks.Question, error) {
	all := make(map[string]mcptasks.Question)
	err := each(ctx, tx, query, []any{taskID}, func(row scanner) error {
		var (
			key, method      string
			params, response []byte
			closed           bool
		)
		err := row.Scan(&key, &method, &params, &response, &closed)
		all[key] = mcptasks.Question{Method: method, Params: params, Response: response, Expired: closed && response == nil}
		return err
	})
	return all, err
}

const listSQL = `
SELECT ` + taskColumns + `, is_error FROM mcp_task
WHERE (expires_at IS NULL OR expires_at > ?1)
  AND (?2 = '' OR status = ?2) AND (?3 = '' OR tool = ?3) AND id < ?4 AND id >= ?5`

const (
	listOwnedSQL = listSQL + ` AND owner = ?7` + listOrder
	listAllSQL   = listSQL + listOrder
	listOrder    = ` ORDER BY id DESC LIMIT ?6`
)

// List implements driver.CallDriver.
func (d *Driver) List(ctx context.Context, filter driver.Filter, now time.Time) ([]*mcptasks.Task, error) {
	query, args := listAllSQL, []any{now.UnixMicro(), string(filter.Status), filter.Tool, filter.Before, filter.From, filter.Limit}
	if !filter.AnyOwner {
		query, args = listOwnedSQL, append(args, string(filter.Owner))
	}
	var tasks []*mcptasks.Task
	err := each(ctx, d.reader, query, args, func(row scanner) error {
		var task mcptasks.Task
		var isError bool
		err := scanTask(row, &task, &isError)
		if isError {
			task.Outcome = &mcptasks.Outcome{IsError: true}
		}
		tasks = append(tasks, &task)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}
