package taskstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/store"
)

// Operator is the operator API, which sees the tasks of all owners. It is not for code
// that answers clients. Its methods are safe for concurrent use. They return
// ErrNotFound for a task that is unknown or was deleted; expired tasks are seen as
// long as they are kept.
type Operator interface {
	// List returns a page of all owners' tasks that match; see Runner.List.
	List(ctx context.Context, query Query, cursor string, limit int) (*mcptasks.Page, error)
	// Get returns the task as its owner sees it.
	Get(ctx context.Context, id string) (*mcptasks.Task, error)
	// Show returns all that is known of the task, as of one moment. It repairs
	// nothing and waits for no lock.
	Show(ctx context.Context, id string) (*driver.Shown, error)
	// Answer stores answers, as Runner.Answer does.
	Answer(ctx context.Context, id string, responses map[string]json.RawMessage) error
	// Cancel cancels the task; ErrTerminal if it has ended.
	Cancel(ctx context.Context, id string) error
	// Delete removes a task that has ended with all its rows; ErrConflict if it
	// has not: cancel it first.
	Delete(ctx context.Context, id string) error
	// Retry makes a new task from the record of one that has ended: the same
	// owner, tool, arguments, queue, priority, limits, TTL and poll interval, and
	// as much time to its deadline. ErrConflict if it has not ended, ErrLimit as
	// Runner.Create. The tool need not be known to this process.
	Retry(ctx context.Context, id string) (*mcptasks.Task, error)

	// Nodes returns all nodes that are known, by id: those that work, and the
	// dead until they are pruned.
	Nodes(ctx context.Context) ([]driver.NodeSeen, error)
	// Survey returns the figures and the faults of the whole database. It reads
	// what is live and unfinished, never what has ended.
	Survey(ctx context.Context) (*Survey, error)
}

// What an operator asks for and reads is public.
type (
	Query  = store.Query
	Survey = store.Survey
)

type operator[TTx any] struct{ s *Store[TTx] }

// Operator returns the operator API.
func (s *Store[TTx]) Operator() Operator { return operator[TTx]{s} }

func (o operator[TTx]) List(ctx context.Context, query Query, cursor string, limit int) (*mcptasks.Page, error) {
	filter := driver.Filter{AnyOwner: query.Owner == nil, Status: query.Status, Tool: query.Tool, Before: idGreater}
	if query.Owner != nil {
		filter.Owner = *query.Owner
	}
	if query.MinAge > 0 {
		filter.Before = idFrom(o.s.now().Add(-query.MinAge))
	}
	if query.MaxAge > 0 {
		filter.From = idFrom(o.s.now().Add(-query.MaxAge))
	}
	page, err := o.s.list(ctx, filter, cursor, limit)
	if err != nil {
		return nil, wrap("list", "", err)
	}
	return page, nil
}

// everything is the time at which no task has expired.
var everything = time.Unix(0, 0)

func (o operator[TTx]) Get(ctx context.Context, id string) (*mcptasks.Task, error) {
	if !isTaskID(id) {
		return nil, wrap("get", "", mcptasks.ErrNotFound)
	}
	owner, err := o.s.driver.OwnerOf(ctx, id)
	if err != nil {
		return nil, wrap("get", id, err)
	}
	task, err := o.s.driver.Get(ctx, owner, id, everything)
	if err == nil {
		task, err = o.s.sound(ctx, task)
	}
	if err != nil {
		return nil, wrap("get", id, err)
	}
	return task, nil
}

func (o operator[TTx]) Show(ctx context.Context, id string) (*driver.Shown, error) {
	if !isTaskID(id) {
		return nil, wrap("show", "", mcptasks.ErrNotFound)
	}
	shown, err := o.s.driver.Show(ctx, id)
	if err != nil {
		return nil, wrap("show", id, err)
	}
	if shown.Status == mcptasks.StatusInputRequired {
		shown.Task.Questions = openQuestions(shown)
	}
	reportTTL(shown.Task)
	return shown, nil
}

func (o operator[TTx]) Answer(ctx context.Context, id string, responses map[string]json.RawMessage) error {
	return o.change(ctx, "answer", id, func(tx TTx, task *lockedTask) error {
		return o.s.storeAnswers(ctx, tx, task, responses)
	})
}

func (o operator[TTx]) Cancel(ctx context.Context, id string) error {
	return o.change(ctx, "cancel", id, func(tx TTx, task *lockedTask) error {
		if task.Status.Terminal() {
			return mcptasks.ErrTerminal
		}
		task.effects.action, task.effects.cancelled = telemetry.AuditCancel, telemetry.ByOperator
		end := cancelled(id)
		end.Event = driver.Event{Kind: driver.EventCancelled, Detail: "by an operator"}
		return o.s.endTx(ctx, tx, task, end)
	})
}

func (o operator[TTx]) Delete(ctx context.Context, id string) error {
	return o.change(ctx, "delete", id, func(tx TTx, task *lockedTask) error {
		if !task.Status.Terminal() {
			return fmt.Errorf("%w: it is %s; cancel it first", mcptasks.ErrConflict, task.Status)
		}
		task.effects.changed, task.effects.action = true, telemetry.AuditDelete
		return o.s.driver.Delete(ctx, tx, id)
	})
}

func (o operator[TTx]) Retry(ctx context.Context, id string) (*mcptasks.Task, error) {
	var again *driver.Row
	err := o.change(ctx, "retry", id, func(tx TTx, task *lockedTask) (err error) {
		if !task.Status.Terminal() {
			return fmt.Errorf("%w: it is %s", mcptasks.ErrConflict, task.Status)
		}
		again = o.again(task.Locked)
		defer o.s.traceCreate(ctx, again).end(&err)
		if err := o.s.checkLimits(ctx, tx, again, 0); err != nil {
			return err
		}
		if err := o.s.insertTx(ctx, tx, []*driver.Row{again}); err != nil {
			return err
		}
		return o.s.notifyJobsTx(ctx, tx, []string{again.Queue})
	})
	if err != nil {
		return nil, err
	}
	o.s.recordCreated(ctx, []*driver.Row{again}, telemetry.Audited{Operator: true})
	return &again.Task, nil
}

// again returns a new task from the record of one that has ended.
func (o operator[TTx]) again(task *driver.Locked) *driver.Row {
	now := o.s.now()
	row := &driver.Row{
		Task: mcptasks.Task{
			ID:           NewID(now),
			Owner:        task.Owner,
			Tool:         task.Tool,
			Status:       mcptasks.StatusWorking,
			TTL:          task.TTL,
			PollInterval: task.PollInterval,
			CreatedAt:    now,
			UpdatedAt:    now,
		},
		Queue:       task.Queue,
		Priority:    task.Priority,
		Arguments:   task.Arguments,
		RequestMeta: task.RequestMeta,
		MaxAttempts: task.MaxAttempts,
		RunTimeout:  task.RunTimeout,
		RetryOf:     task.ID,
	}
	if !task.DeadlineAt.IsZero() {
		row.DeadlineAt = now.Add(task.DeadlineAt.Sub(task.CreatedAt))
	}
	return row
}

// change lets decide change the task, which it locks.
func (o operator[TTx]) change(ctx context.Context, op, id string, decide func(tx TTx, task *lockedTask) error) error {
	if !isTaskID(id) {
		return wrap(op, "", mcptasks.ErrNotFound)
	}
	_, err := o.s.change(ctx, telemetry.Audited{Operator: true},
		func(tx TTx) (*driver.Locked, error) { return o.s.driver.Lock(ctx, tx, id, false) },
		decide)
	if err != nil {
		return wrap(op, id, err)
	}
	return nil
}

// openQuestions returns the open questions as a client reads them.
func openQuestions(shown *driver.Shown) map[string]mcptasks.Question {
	open := make(map[string]mcptasks.Question)
	for _, q := range shown.Questions {
		if q.AnsweredAt.IsZero() {
			open[q.Key] = mcptasks.Question{Method: q.Method, Params: q.Params}
		}
	}
	return open
}
