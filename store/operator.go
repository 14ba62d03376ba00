package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks"
)

// Operator is the door past owners, for whoever runs the service: not for code
// that answers clients. Its methods are safe for concurrent use. They return
// ErrNotFound for a task that is unknown or was deleted; expired tasks are seen as
// long as they are kept.
type Operator interface {
	// List returns a page of all owners' tasks that match; see Runner.List.
	List(ctx context.Context, query Query, cursor string, limit int) (*mcptasks.Page, error)
	// Show returns the task with its timeline.
	Show(ctx context.Context, id string) (*Shown, error)
	// Answer stores answers, as Runner.Update does.
	Answer(ctx context.Context, id string, responses map[string]json.RawMessage) error
	// Cancel cancels the task; ErrTerminal if it has ended.
	Cancel(ctx context.Context, id string) error
	// Delete removes a task that has ended with all its rows; ErrConflict if it
	// has not: cancel it first.
	Delete(ctx context.Context, id string) error
	// Retry makes a new task of the same owner, tool and arguments as one that
	// has ended, and returns it; ErrConflict if it has not.
	Retry(ctx context.Context, id string, tool *mcptasks.Tool) (*mcptasks.Task, error)
}

// Query says which tasks an operator lists. Zero fields do not restrict.
type Query struct {
	Owner  *mcptasks.Owner
	Status mcptasks.Status
	Tool   string
	MinAge time.Duration // created at least so long ago
}

// Shown is a task as an operator sees it.
type Shown struct {
	*mcptasks.Task
	Timeline []TimedEvent
}

type operator[TTx any] struct{ s *Store[TTx] }

// Operator returns the operator's door.
func (s *Store[TTx]) Operator() Operator { return operator[TTx]{s} }

func (o operator[TTx]) List(ctx context.Context, query Query, cursor string, limit int) (*mcptasks.Page, error) {
	filter := Filter{AnyOwner: query.Owner == nil, Status: query.Status, Tool: query.Tool}
	if query.Owner != nil {
		filter.Owner = *query.Owner
	}
	if query.MinAge > 0 {
		filter.Before = o.s.now().Add(-query.MinAge)
	}
	page, err := o.s.list(ctx, filter, cursor, limit)
	if err != nil {
		return nil, wrap("list", "", err)
	}
	return page, nil
}

func (o operator[TTx]) Show(ctx context.Context, id string) (*Shown, error) {
	var owner mcptasks.Owner
	err := o.locked(ctx, "show", id, func(_ TTx, task *Locked) (bool, error) {
		owner = task.Owner
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	task, err := o.s.driver.Get(ctx, owner, id, time.Unix(0, 0)) // expired ones too
	if err != nil {
		return nil, wrap("show", id, err)
	}
	reportTTL(task)
	events, err := o.s.driver.Events(ctx, id)
	if err != nil {
		return nil, wrap("show", id, err)
	}
	return &Shown{Task: task, Timeline: events}, nil
}

func (o operator[TTx]) Answer(ctx context.Context, id string, responses map[string]json.RawMessage) error {
	return o.locked(ctx, "answer", id, func(tx TTx, task *Locked) (bool, error) {
		return o.s.answerTx(ctx, tx, task, responses)
	})
}

func (o operator[TTx]) Cancel(ctx context.Context, id string) error {
	return o.locked(ctx, "cancel", id, func(tx TTx, task *Locked) (bool, error) {
		if task.Status.Terminal() {
			return false, mcptasks.ErrTerminal
		}
		end := cancelled(id)
		end.Event = Event{Kind: EventCancelled, Detail: "by an operator"}
		return true, o.s.endTx(ctx, tx, task, end)
	})
}

func (o operator[TTx]) Delete(ctx context.Context, id string) error {
	return o.locked(ctx, "delete", id, func(tx TTx, task *Locked) (bool, error) {
		if !task.Status.Terminal() {
			return false, fmt.Errorf("%w: it is %s; cancel it first", mcptasks.ErrConflict, task.Status)
		}
		return true, o.s.driver.Delete(ctx, tx, id)
	})
}

func (o operator[TTx]) Retry(ctx context.Context, id string, tool *mcptasks.Tool) (*mcptasks.Task, error) {
	var again []*mcptasks.Task
	err := o.locked(ctx, "retry", id, func(tx TTx, task *Locked) (_ bool, err error) {
		if !task.Status.Terminal() {
			return false, fmt.Errorf("%w: it is %s", mcptasks.ErrConflict, task.Status)
		}
		again, err = o.s.CreateTx(ctx, tx, []NewTask{{
			Owner:   task.Owner,
			Tool:    tool,
			Params:  mcptasks.CreateParams{Tool: task.Tool, Arguments: task.Arguments, Meta: task.RequestMeta},
			RetryOf: id,
		}})
		return false, err
	})
	if err != nil {
		return nil, err
	}
	o.s.config.Changed(again[0].ID)
	return again[0], nil
}

// locked runs fn on the locked task.
func (o operator[TTx]) locked(ctx context.Context, op, id string, fn func(tx TTx, task *Locked) (changed bool, err error)) error {
	if !isTaskID(id) {
		return wrap(op, "", mcptasks.ErrNotFound)
	}
	changed := false
	err := o.s.driver.InTx(ctx, func(tx TTx) error {
		task, err := o.s.driver.Lock(ctx, tx, id, false)
		if err != nil {
			return err
		}
		changed, err = fn(tx, task)
		return err
	})
	if err != nil {
		return wrap(op, id, err)
	}
	if changed {
		o.s.config.Changed(id)
	}
	return nil
}
