// Package runner opens durable tasks: [Open] with the URL of a database, or [New] with the
// program's own pool. Both return a node that creates, reads, answers, cancels and works
// tasks; [OpenOperator] and [Node.Operator] return what operators need. The package puts
// the others together: the resolved Config, the store with its driver, the notifier, the
// workers, audit and metrics. It knows no SQL, no particular database, and nothing of
// MCP's wire.
//
// The package is stable from v1.0.0 on. Before that, a minor version may change it; the
// CHANGELOG says how. Drivers are excepted: [New] takes one of store/postgres or
// store/sqlite, and a minor version may change what a driver must do.
package runner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/internal/workers"
	"github.com/mcptasks/mcptasks/migrations"
)

// Node serves the tasks of a database in one process, works them, or both. It implements
// [mcptasks.Runner]. Its methods are safe for concurrent use, except Start, Stop and Close,
// of which only one may run at a time.
type Node struct {
	id        string
	config    *config.Config
	tools     *mcptasks.Tools
	store     taskstore.Backend
	workers   *workers.Workers
	notifier  *notify.Notifier
	audit     telemetry.Audit
	unobserve func() // ends the metrics that read the database
	owned     bool   // Close closes the store
	ready     readiness
}

var _ mcptasks.Runner = (*Node)(nil)

// Open opens the database at url (postgres://…, sqlite:path, sqlite::memory:) and returns
// a node on it for the tools. The program must import the package of the database's
// driver, store/postgres or store/sqlite. It returns an error that says what to do if the
// database cannot be reached, or if its schema is older or newer than this release's.
// Close the node when done.
func Open(ctx context.Context, url string, tools *mcptasks.Tools, config *Config) (*Node, error) {
	if err := checkTools(tools); err != nil {
		return nil, err
	}
	cfg, err := config.resolve()
	if err != nil {
		return nil, err
	}
	backend, notifier, err := open(ctx, url, cfg)
	if err != nil {
		return nil, err
	}
	node := newNode(backend, tools, cfg, notifier)
	node.owned = true
	return node, nil
}

// open opens the database at url, with its notifier.
func open(ctx context.Context, url string, cfg *config.Config) (taskstore.Backend, *notify.Notifier, error) {
	notifier := notify.New(cfg.Logger)
	backend, err := taskstore.Open(ctx, url, cfg, notifier)
	if err != nil {
		return nil, nil, err
	}
	// A SQLite file has no administrator who could migrate it.
	migrate := cfg.Migrate || backend.Migrations().Dialect() == goose.DialectSQLite3
	if err := prepare(ctx, backend, migrate); err != nil {
		_ = backend.Close()
		return nil, nil, err
	}
	notifier.Start(backend, !cfg.PollOnly)
	return backend, notifier, nil
}

// prepare brings an older schema up if migrate is set. It returns an error unless the
// schema is then this release's.
func prepare(ctx context.Context, backend taskstore.Backend, migrate bool) error {
	err := migrations.Check(ctx, backend.Migrations())
	if migrate && errors.Is(err, migrations.ErrOldSchema) {
		return migrations.Up(ctx, backend.Migrations())
	}
	return err
}

func newNode(backend taskstore.Backend, tools *mcptasks.Tools, cfg *config.Config, notifier *notify.Notifier) *Node {
	id := rand.Text()
	node := &Node{
		id:       id,
		config:   cfg,
		tools:    tools,
		store:    backend,
		notifier: notifier,
		audit:    telemetry.NewAudit(cfg.Audit),
		ready:    readiness{check: func(ctx context.Context) error { return migrations.Check(ctx, backend.Migrations()) }, checkedAt: time.Now()},
		workers:  workers.New(backend, tools, cfg, id),
	}
	node.unobserve = telemetry.NewMetrics(cfg.MeterProvider).Observe(figures(cfg, backend.Operator()))
	return node
}

// checkTools rejects nil tools, which would otherwise fail at the first call.
func checkTools(tools *mcptasks.Tools) error {
	if tools == nil {
		return &mcptasks.Error{
			Op: "open", Err: fmt.Errorf("%w: the tools are nil", mcptasks.ErrInvalid),
			Hint: "pass mcptasks.NewTools(), which may be empty",
		}
	}
	return nil
}

// ID returns the node's id, which is drawn at random when the node is opened. It is also
// the id of the node's River client.
func (n *Node) ID() string { return n.id }

// Create implements [mcptasks.Runner]. It inserts the task and its job in one transaction,
// which is committed when Create returns.
func (n *Node) Create(ctx context.Context, owner mcptasks.Owner, params mcptasks.CreateParams) (*mcptasks.Task, error) {
	call, err := n.newTask(owner, params)
	if err != nil {
		return nil, err
	}
	tasks, err := n.store.Create(ctx, []taskstore.NewTask{call})
	if err != nil {
		return nil, err
	}
	return tasks[0], nil
}

func (n *Node) newTask(owner mcptasks.Owner, params mcptasks.CreateParams) (taskstore.NewTask, error) {
	tool, ok := n.tools.Get(params.Tool)
	if !ok {
		return taskstore.NewTask{}, &mcptasks.Error{Op: "create", Err: fmt.Errorf("%w: %q", mcptasks.ErrUnknownTool, params.Tool)}
	}
	if tool.Options.TaskSupport == mcptasks.TaskForbidden {
		return taskstore.NewTask{}, &mcptasks.Error{Op: "create", Err: fmt.Errorf("%w: tool %q forbids tasks", mcptasks.ErrInvalid, params.Tool)}
	}
	return taskstore.NewTask{Owner: owner, Tool: tool, Params: params}, nil
}

// Get implements [mcptasks.Runner].
func (n *Node) Get(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	task, err := n.store.Get(ctx, owner, id)
	auditRead(ctx, n.audit, task, false)
	return task, err
}

// List implements [mcptasks.Runner].
func (n *Node) List(ctx context.Context, owner mcptasks.Owner, cursor string, limit int) (*mcptasks.Page, error) {
	return n.store.List(ctx, owner, cursor, limit)
}

// Answer implements [mcptasks.Runner]. It stores the answers in one transaction, with a
// fresh job once all questions are answered.
func (n *Node) Answer(ctx context.Context, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) error {
	return n.store.Answer(ctx, owner, id, responses)
}

// Cancel implements [mcptasks.Runner]. The context of the run ends at once, also in
// another process; if that process misses the notification, within five seconds.
func (n *Node) Cancel(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	task, err := n.store.Cancel(ctx, owner, id)
	if task != nil && task.Status == mcptasks.StatusCancelled { // by this call or by another process
		n.workers.Cancelled(id, task.FinishedAt)
	}
	auditRead(ctx, n.audit, task, false) // a task that had ended is returned with its outcome
	return task, err
}

// Start begins to work tasks in this process and returns. The context bounds the start
// alone: when it ends later no run ends. It returns an error if no tool has a handler, and
// on SQLite if another process works the file; processes that do not work it may still
// open it, and create, read, answer and cancel its tasks.
func (n *Node) Start(ctx context.Context) error {
	err := n.workers.Start(ctx)
	if err == nil {
		n.ready.is(serving)
	}
	return err
}

// Stop fetches no more jobs and lets runs go on for the grace, or until ctx ends. It then
// ends their contexts with ErrShutdown: their tasks run again on another node, or here
// after the next Start, and no attempt is used. It returns when all runs have ended, or
// with an error if handlers ignore the end of their context. A node that is not started
// stops at once.
func (n *Node) Stop(ctx context.Context) error {
	n.ready.is(draining)
	return n.workers.Stop(ctx)
}

// Close stops the node as Stop does, with the whole grace, and closes the database if Open
// opened it.
func (n *Node) Close() error {
	err := n.Stop(context.Background())
	n.ready.is(closed)
	n.unobserve()
	n.notifier.Close()
	if n.owned {
		err = errors.Join(err, n.store.Close())
	}
	return err
}
