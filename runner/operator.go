package runner

import (
	"context"
	"encoding/json"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

// Operator sees and changes the tasks of all owners. Its methods are safe for
// concurrent use and return ErrNotFound for a task that is unknown or deleted.
type Operator struct {
	store store.Operator
	node  *Node
}

// List returns a page of the tasks that match, newest first.
func (o *Operator) List(ctx context.Context, query store.Query, cursor string, limit int) (*mcptasks.Page, error) {
	return o.store.List(ctx, query, cursor, limit)
}

// Show returns the task with its timeline: errors in full, retries, recoveries,
// repairs, cancels.
func (o *Operator) Show(ctx context.Context, id string) (*store.Shown, error) {
	return o.store.Show(ctx, id)
}

// Answer stores answers to the task's questions, as Update does.
func (o *Operator) Answer(ctx context.Context, id string, responses map[string]json.RawMessage) error {
	return o.store.Answer(ctx, id, responses)
}

// Cancel cancels the task, as a client would; ErrTerminal if it has ended.
func (o *Operator) Cancel(ctx context.Context, id string) error {
	err := o.store.Cancel(ctx, id)
	if err == nil {
		o.node.workers.Interrupt(id, mcptasks.ErrCancelled)
	}
	return err
}

// Delete removes a task that has ended, with all that was recorded of it;
// ErrConflict if it has not.
func (o *Operator) Delete(ctx context.Context, id string) error { return o.store.Delete(ctx, id) }

// Retry makes a new task of the same owner, tool and arguments as one that has
// ended; ErrConflict if it has not, ErrUnknownTool if this node has no such tool.
func (o *Operator) Retry(ctx context.Context, id string) (*mcptasks.Task, error) {
	shown, err := o.store.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	tool, ok := o.node.tools.Get(shown.Tool)
	if !ok {
		return nil, &mcptasks.Error{Op: "retry", TaskID: id, Err: mcptasks.ErrUnknownTool}
	}
	return o.store.Retry(ctx, id, tool)
}
