package taskstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/batch"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// NewTask is a tools/call to be made durable.
type NewTask struct {
	Owner  mcptasks.Owner
	Tool   *mcptasks.Tool
	Params mcptasks.CreateParams
	// RetryOf is the task that this one does again, "" for none.
	RetryOf string
}

// Create inserts each task with its job, all in one transaction, and returns the
// tasks once it has committed. A single call may share the transaction with others
// that are made at the same time. A call whose idempotency key a task has already
// gets that task.
func (s *Store[TTx]) Create(ctx context.Context, calls []NewTask) (tasks []*mcptasks.Task, err error) {
	defer s.op(ctx, telemetry.OpCreate, 0).end(&err)
	tasks, made, err := s.create(ctx, calls)
	if err != nil {
		return nil, wrap("create", "", err)
	}
	for _, call := range calls {
		s.jobsReady(call.Tool.Options.Queue)
	}
	s.recordCreated(ctx, made, telemetry.Audited{})
	return tasks, nil
}

// create returns the calls' tasks, and those of them that are new.
func (s *Store[TTx]) create(ctx context.Context, calls []NewTask) (tasks []*mcptasks.Task, made []*driver.Row, err error) {
	if len(calls) == 1 && s.sharable(calls[0]) {
		row, err := s.newRow(calls[0])
		if err != nil {
			return nil, nil, err
		}
		defer s.traceCreate(ctx, row).end(&err)
		if _, err = s.creates.Do(ctx, row); err != nil {
			return nil, nil, err
		}
		return []*mcptasks.Task{&row.Task}, []*driver.Row{row}, nil
	}
	err = s.driver.InTx(ctx, func(tx TTx) (err error) {
		if tasks, made, err = s.createTx(ctx, tx, calls); err != nil || !s.exclusive {
			return err
		}
		return s.notifyJobsTx(ctx, tx, driver.Queues(made))
	})
	return tasks, made, err
}

// sharable says whether the call may share a transaction with strangers': not if
// what becomes of it depends on the tasks of others, which it would have to lock or
// to count, nor if it has more to write than its task.
func (s *Store[TTx]) sharable(call NewTask) bool {
	return call.Params.IdempotencyKey == "" && len(call.Params.Responses) == 0 && s.config.MaxLiveTasks == 0 && s.config.MaxBacklog == 0
}

// CreateTx is Create in the caller's transaction: the tasks exist when it
// commits, and never did if it is rolled back.
func (s *Store[TTx]) CreateTx(ctx context.Context, tx TTx, calls []NewTask) (tasks []*mcptasks.Task, err error) {
	defer s.op(ctx, telemetry.OpCreate, len(calls)).end(&err)
	tasks, made, err := s.createTx(ctx, tx, calls)
	if err == nil {
		err = s.notifyJobsTx(ctx, tx, driver.Queues(made)) // the store does not know when the caller commits
	}
	if err != nil {
		return nil, wrap("create", "", err)
	}
	s.recordCreated(ctx, made, telemetry.Audited{Tx: true})
	return tasks, nil
}

// createTx returns the calls' tasks, and those of them that are new.
func (s *Store[TTx]) createTx(ctx context.Context, tx TTx, calls []NewTask) (tasks []*mcptasks.Task, made []*driver.Row, err error) {
	tasks = make([]*mcptasks.Task, len(calls))
	var rows []*driver.Row
	for i, call := range calls {
		var row *driver.Row
		if row, err = s.newRow(call); err != nil {
			return nil, nil, err
		}
		defer s.traceCreate(ctx, row).end(&err)
		if row.IdempotencyKey != "" {
			tasks[i], err = s.createKeyedTx(ctx, tx, row)
		} else {
			err = s.checkLimits(ctx, tx, row, 0)
		}
		if err != nil {
			return nil, nil, err
		}
		if tasks[i] == nil {
			tasks[i] = &row.Task
			rows = append(rows, row)
		}
		if tasks[i].ID == row.ID {
			made = append(made, row)
		}
	}
	return tasks, made, s.insertTx(ctx, tx, rows)
}

// insertAll runs a batch of creates.
func (s *Store[TTx]) insertAll(ctx context.Context, rows []*driver.Row) ([]batch.Result[struct{}], error) {
	return make([]batch.Result[struct{}], len(rows)), s.driver.Insert(ctx, rows)
}

// insertTx inserts the rows, each with its job and its answers.
func (s *Store[TTx]) insertTx(ctx context.Context, tx TTx, rows []*driver.Row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.driver.InsertTx(ctx, tx, rows); err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.insertAnswersTx(ctx, tx, row); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store[TTx]) insertAnswersTx(ctx context.Context, tx TTx, row *driver.Row) error {
	if len(row.Responses) == 0 {
		return nil
	}
	return s.driver.InsertAnswers(ctx, tx, row.ID, row.Responses, row.CreatedAt)
}

func (s *Store[TTx]) newRow(call NewTask) (*driver.Row, error) {
	if err := call.validate(s.config.MaxArgumentBytes); err != nil {
		return nil, err
	}
	now, options := s.now(), call.Tool.Options
	row := &driver.Row{
		Task: mcptasks.Task{
			ID:           NewID(now),
			Owner:        call.Owner,
			Tool:         call.Tool.Name,
			Status:       mcptasks.StatusWorking,
			TTL:          options.TTL,
			PollInterval: options.PollInterval,
			CreatedAt:    now,
			UpdatedAt:    now,
		},
		Queue:          options.Queue,
		Priority:       options.Priority,
		Arguments:      call.Params.Arguments,
		RequestMeta:    call.Params.Meta,
		MaxAttempts:    options.MaxAttempts,
		RunTimeout:     options.RunTimeout,
		Responses:      call.Params.Responses,
		IdempotencyKey: call.Params.IdempotencyKey,
		RetryOf:        call.RetryOf,
	}
	if ttl := call.Params.TTL; ttl > 0 {
		row.TTL = min(row.TTL, max(ttl, time.Millisecond))
	}
	if options.Deadline > 0 {
		row.DeadlineAt = now.Add(options.Deadline)
	}
	return row, nil
}

// createKeyedTx inserts a task that has an idempotency key, or returns the task
// that has the key. The task is inserted before its job, which would
// otherwise have to be removed if another task has the key.
func (s *Store[TTx]) createKeyedTx(ctx context.Context, tx TTx, row *driver.Row) (*mcptasks.Task, error) {
	hash, err := hashJSON(row.Arguments)
	if err != nil {
		return nil, err
	}
	row.ArgsHash = hash
	id, other, err := s.driver.InsertKeyed(ctx, tx, row, row.CreatedAt)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(hash, other) {
		return nil, fmt.Errorf("%w: the idempotency key was used before with other arguments", mcptasks.ErrInvalid)
	}
	task, err := s.driver.LockOwned(ctx, tx, row.Owner, id, row.CreatedAt)
	if err != nil {
		return nil, err
	}
	if id == row.ID {
		if err := s.checkLimits(ctx, tx, row, 1); err != nil { // the transaction may be the caller's, and go on
			return nil, errors.Join(err, s.driver.Delete(ctx, tx, row.ID))
		}
		if err := s.insertAnswersTx(ctx, tx, row); err != nil {
			return nil, err
		}
		return &task.Task, s.requeueTx(ctx, tx, &lockedTask{Locked: task}, "", 0, driver.Event{})
	}
	reportTTL(&task.Task)
	return &task.Task, nil
}

// hashJSON returns the same for JSON objects that differ in space and order alone.
func hashJSON(data json.RawMessage) ([]byte, error) {
	var value any = map[string]any{}
	if len(data) > 0 && string(data) != "null" {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
	}
	canonical, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(canonical)
	return hash[:], nil
}

// checkLimits returns an error if the row would be one too many. counted is 1 if it
// is inserted already.
func (s *Store[TTx]) checkLimits(ctx context.Context, tx TTx, row *driver.Row, counted int) error {
	if s.config.MaxLiveTasks == 0 && s.config.MaxBacklog == 0 {
		return nil
	}
	live, backlog, err := s.driver.Counts(ctx, tx, row.Owner, row.Queue)
	live, backlog = live-counted, backlog-counted
	switch {
	case err != nil:
		return err
	case s.config.MaxLiveTasks > 0 && live >= s.config.MaxLiveTasks:
		return fmt.Errorf("%w: %d tasks that have not ended; this server allows %d", mcptasks.ErrLimit, live, s.config.MaxLiveTasks)
	case s.config.MaxBacklog > 0 && backlog >= s.config.MaxBacklog:
		return fmt.Errorf("%w: %d tasks wait in the queue; this server allows %d", mcptasks.ErrLimit, backlog, s.config.MaxBacklog)
	}
	return nil
}

func (t *NewTask) validate(maxArguments int) error {
	if !storable(string(t.Owner)) || !storable(t.Params.IdempotencyKey) {
		return fmt.Errorf("%w: the owner and the idempotency key must be text of at most %d bytes", mcptasks.ErrInvalid, maxKeyBytes)
	}
	if n := len(t.Params.Arguments); n > maxArguments {
		return fmt.Errorf("%w: the arguments are %d bytes long; this server keeps at most %d", mcptasks.ErrLimit, n, maxArguments)
	}
	if err := validObject("arguments", t.Params.Arguments); err != nil {
		return err
	}
	for key, response := range t.Params.Responses {
		if !storable(key) {
			return fmt.Errorf("%w: a response's key must be text of at most %d bytes", mcptasks.ErrInvalid, maxKeyBytes)
		}
		if err := validObject("response "+key, response); err != nil {
			return err
		}
	}
	return validObject("_meta", t.Params.Meta)
}

func validObject(name string, data json.RawMessage) error {
	if data == nil || string(data) == "null" { // the SDK takes null for none
		return nil
	}
	if !json.Valid(data) || !utf8.Valid(data) || bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return fmt.Errorf("%w: %s must be a JSON object in UTF-8", mcptasks.ErrInvalid, name)
	}
	return nil
}
