package runner

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/store"
)

// Operator reads and changes the tasks of all owners. It is for those who run the
// service, never for code that answers clients. Each outcome that it returns, and each
// change, has a line in the audit log. Its methods return ErrNotFound for a task that is
// unknown or was deleted; an expired task is found until it is deleted. They are safe for
// concurrent use, except Close.
type Operator struct {
	tasks     taskstore.Operator
	notifier  *notify.Notifier
	recheck   time.Duration       // of Watch
	interrupt func(taskID string) // ends the run of a cancelled task in this process
	close     func() error
	audit     telemetry.Audit
}

// OpenOperator opens the database at url for an operator alone: it needs no tools, works
// no tasks and starts no node. Of config, which may be nil, it uses what concerns the
// database and the tasks. It fails as [Open] does. Close the operator when done.
func OpenOperator(ctx context.Context, url string, config *Config) (*Operator, error) {
	cfg, err := config.resolve()
	if err != nil {
		return nil, err
	}
	backend, notifier, err := open(ctx, url, cfg)
	if err != nil {
		return nil, err
	}
	operator := newOperator(cfg, backend, notifier)
	operator.close = func() error {
		notifier.Close()
		return backend.Close()
	}
	return operator, nil
}

// newOperator returns an operator that closes nothing and knows no runs.
func newOperator(cfg *config.Config, backend taskstore.Backend, notifier *notify.Notifier) *Operator {
	return &Operator{
		tasks:     backend.Operator(),
		notifier:  notifier,
		recheck:   recheck(cfg.PollOnly),
		interrupt: func(string) {},
		close:     func() error { return nil },
		audit:     telemetry.NewAudit(cfg.Audit),
	}
}

// Operator returns the operator API of the node's database.
func (n *Node) Operator() *Operator {
	operator := newOperator(n.config, n.store, n.notifier)
	operator.interrupt = func(id string) { n.workers.Cancelled(id, time.Now()) }
	return operator
}

// List returns a page of the tasks of all owners that match the query, as
// [mcptasks.Runner.List] does for one owner.
func (o *Operator) List(ctx context.Context, query store.Query, cursor string, limit int) (*mcptasks.Page, error) {
	return o.tasks.List(ctx, query, cursor, limit)
}

// Get returns the task as its owner sees it.
func (o *Operator) Get(ctx context.Context, id string) (*mcptasks.Task, error) {
	task, err := o.tasks.Get(ctx, id)
	auditRead(ctx, o.audit, task, true)
	return task, err
}

// Show returns all that is known of the task at one moment. It repairs nothing and waits
// for no lock.
func (o *Operator) Show(ctx context.Context, id string) (*store.Shown, error) {
	shown, err := o.tasks.Show(ctx, id)
	if shown != nil {
		auditRead(ctx, o.audit, shown.Task, true)
	}
	return shown, err
}

// Watch yields the task as [Node.Watch] does, for a task of any owner.
func (o *Operator) Watch(ctx context.Context, id string) iter.Seq2[*mcptasks.Task, error] {
	return watch(ctx, o.notifier, o.recheck, id, func() (*mcptasks.Task, error) { return o.Get(ctx, id) })
}

// Answer stores answers to the task's questions, as [Node.Answer] does.
func (o *Operator) Answer(ctx context.Context, id string, responses map[string]json.RawMessage) error {
	return o.tasks.Answer(ctx, id, responses)
}

// Cancel cancels the task. It returns ErrTerminal if the task has ended. The task's run
// ends as [Node.Cancel] says.
func (o *Operator) Cancel(ctx context.Context, id string) error {
	err := o.tasks.Cancel(ctx, id)
	if err == nil {
		o.interrupt(id)
	}
	return err
}

// Delete removes a task that has ended, with everything that belongs to it. It returns
// ErrConflict if the task has not ended: cancel it first.
func (o *Operator) Delete(ctx context.Context, id string) error { return o.tasks.Delete(ctx, id) }

// Retry makes a new task from one that has ended: with the same owner, tool, arguments,
// queue, priority, limits, TTL and poll interval, and as much time to its deadline. It
// returns ErrConflict if the task has not ended, and ErrLimit as [Node.Create] does. This
// process need not know the tool.
func (o *Operator) Retry(ctx context.Context, id string) (*mcptasks.Task, error) {
	return o.tasks.Retry(ctx, id)
}

// Nodes returns all known nodes, by id: those that are alive, and those that died and
// have not been removed yet.
func (o *Operator) Nodes(ctx context.Context) ([]store.NodeSeen, error) { return o.tasks.Nodes(ctx) }

// Survey returns the figures and the faults of the whole database. It reads the nodes and
// the tasks that have not ended.
func (o *Operator) Survey(ctx context.Context) (*store.Survey, error) { return o.tasks.Survey(ctx) }

// Close closes the database that OpenOperator opened. For the operator of a node it does
// nothing.
func (o *Operator) Close() error { return o.close() }
