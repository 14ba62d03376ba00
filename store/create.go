package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
)

// NewTask is a tools/call to be made durable.
type NewTask struct {
	Owner  mcptasks.Owner
	Tool   *mcptasks.Tool
	Params mcptasks.CreateParams
}

// JobArgs are the arguments of every River job of ours: the task's id and
// nothing else, since River indexes them.
type JobArgs struct {
	TaskID string `json:"task_id"`
}

// Kind is the one job kind. Every node registers it, so that no leader meets a
// job of ours as unknown.
func (JobArgs) Kind() string { return "mcptask" }

// Create inserts each task with its job, all in one transaction, and returns the
// tasks once it has committed.
func (s *Store[TTx]) Create(ctx context.Context, calls []NewTask) ([]*mcptasks.Task, error) {
	var tasks []*mcptasks.Task
	err := s.driver.InTx(ctx, func(tx TTx) (err error) {
		tasks, err = s.CreateTx(ctx, tx, calls)
		return err
	})
	if err != nil {
		return nil, wrap("create", "", err)
	}
	for _, task := range tasks {
		s.config.Changed(task.ID)
	}
	return tasks, nil
}

// CreateTx is Create in the caller's transaction: the tasks exist when it
// commits, and never did if it is rolled back.
func (s *Store[TTx]) CreateTx(ctx context.Context, tx TTx, calls []NewTask) ([]*mcptasks.Task, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	now := s.now()
	rows := make([]*Row, len(calls))
	jobs := make([]river.InsertManyParams, len(calls))
	for i, call := range calls {
		if err := call.validate(); err != nil {
			return nil, &mcptasks.Error{Op: "create", Err: err}
		}
		options := call.Tool.Options
		rows[i] = &Row{
			Task: mcptasks.Task{
				ID:           uuid.NewString(), // version 4: 122 random bits, the id may be the only secret
				Owner:        call.Owner,
				Tool:         call.Tool.Name,
				Status:       mcptasks.StatusWorking,
				TTL:          options.TTL,
				PollInterval: options.PollInterval,
				CreatedAt:    now,
				UpdatedAt:    now,
			},
			Queue:       options.Queue,
			Priority:    options.Priority,
			Arguments:   call.Params.Arguments,
			RequestMeta: call.Params.Meta,
			MaxAttempts: options.MaxAttempts,
			RunTimeout:  options.RunTimeout,
		}
		jobs[i] = job(rows[i].ID, options.Queue, options.Priority)
	}
	inserted, err := s.river.InsertManyTx(ctx, tx, jobs)
	if err != nil {
		return nil, wrap("create", "", err)
	}
	tasks := make([]*mcptasks.Task, len(rows))
	for i, row := range rows {
		row.JobID = inserted[i].Job.ID
		tasks[i] = &row.Task
	}
	if err := s.driver.Insert(ctx, tx, rows); err != nil {
		return nil, wrap("create", "", err)
	}
	return tasks, nil
}

// job is the River job that runs a task. The task counts attempts: River's limit
// is out of the way.
func job(taskID, queue string, priority int) river.InsertManyParams {
	return river.InsertManyParams{
		Args:       JobArgs{TaskID: taskID},
		InsertOpts: &river.InsertOpts{Queue: queue, Priority: priority, MaxAttempts: math.MaxInt16},
	}
}

func (t *NewTask) validate() error {
	if !storable(string(t.Owner)) {
		return fmt.Errorf("%w: the owner is not text", mcptasks.ErrInvalid)
	}
	if err := validObject("arguments", t.Params.Arguments); err != nil {
		return err
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
