// Package runner is the door to durable tasks: Open a database URL, or New on a
// pool of your own, and get a node that creates, reads, cancels and works tasks.
package runner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store"
	"github.com/mcptasks/mcptasks/workers"
)

// Config is how a node is made. The zero value, and nil, work.
type Config struct {
	// Migrate brings the schema up when the node is opened. Any number of nodes
	// may do so at once. An SQLite file is brought up by Open in any case.
	Migrate bool

	// Schema is the Postgres schema for River's tables and ours: lower-case
	// letters, digits and _. Used by Open; with New it is the driver's. Defaults
	// to "mcptasks".
	Schema string

	// Logger is where the node logs. Defaults to slog.Default().
	Logger *slog.Logger

	// MaxWorkers is how many runs go on at once in this process, in each queue.
	// Defaults to 100.
	MaxWorkers int

	// Queues are the queues that this node works when it is started: only their
	// tools' tasks are run here. It serves all tools in any case. Defaults to the
	// queues of all tools.
	Queues []string

	// Grace is how long Stop and Close let runs go on. Defaults to 30 seconds.
	Grace time.Duration

	// MaxResultBytes bounds the JSON of a result; a longer one fails the task.
	// Defaults to 8 MiB.
	MaxResultBytes int

	// MinRetention is how long a task that ended is kept at least, whatever its
	// TTL. Defaults to 10 minutes.
	MinRetention time.Duration

	// Beat is how often a working node says that it lives; one that has not said
	// so for three beats is dead to the others, and its tasks are recovered.
	// All nodes of a database should have the same. Defaults to 5 seconds.
	Beat time.Duration

	// SweepInterval is how often a working node looks for tasks that no request
	// meets: past their deadline, expired, or lost to their run. Defaults to 5
	// seconds.
	SweepInterval time.Duration

	// JobRetention is how long River keeps jobs that ended. Defaults to 1 hour.
	JobRetention time.Duration

	// MaxRecoveries is how many times in a row the nodes that run a task may die
	// before the task fails. Defaults to 3.
	MaxRecoveries int

	// MaxArgumentBytes bounds the JSON of a call's arguments. Defaults to 4 MiB.
	MaxArgumentBytes int

	// MaxSteps and MaxQuestions bound what one task may record and ask. They
	// default to 10,000 and 1,000.
	MaxSteps, MaxQuestions int

	// MaxLiveTasks bounds an owner's tasks that have not ended, MaxBacklog the
	// tasks of a queue that wait to be run; Create returns ErrLimit beyond them.
	// They default to no limit.
	MaxLiveTasks, MaxBacklog int

	// PollOnly is for a Postgres behind PgBouncer in transaction mode: the node
	// listens for nothing, but looks. A task waits up to FetchPollInterval for its
	// run, a change that another process made is seen by a watcher within a second,
	// and a cancel that another process made by the run within three. Open then
	// sends no limits of the sessions and prepares no statements; see
	// store/postgres. With New the program's pool must be made so:
	// default_query_exec_mode=exec, or simple_protocol. Migrations need a
	// connection to the server itself.
	PollOnly bool

	// TracerProvider and MeterProvider are where spans and metrics go. They default
	// to OpenTelemetry's global ones, which drop all until the program sets them.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider

	// Audit gets a line, "mcptasks: audit", for each task that is created, answered,
	// cancelled, or whose outcome is read, with action, owner, task_id and tool; with
	// operator=true for what comes through [Node.Operator], whose deletes have one,
	// too; with tx=true for what was done in the program's own transaction, which may
	// still have been rolled back. Defaults to none.
	Audit *slog.Logger

	// FetchCooldown and FetchPollInterval are River's, for the queues this node
	// works. They default to 1 ms and to 200 ms, 100 ms with PollOnly. On SQLite a
	// node hears at once of what was created or answered on it, and River looks every 50
	// ms for notifications of other jobs.
	FetchCooldown, FetchPollInterval time.Duration
}

// Node is a process's share in the tasks of a database: it serves them, works
// them, or both. It implements [mcptasks.Runner]. Start, Stop and Close must not
// be called concurrently with each other; all else is safe for concurrent use.
type Node struct {
	id      string
	tools   *mcptasks.Tools
	store   store.Backend
	workers *workers.Workers
	news    *news
	audit   telemetry.Audit
	unwatch func() // ends the reading of the database for metrics
	owned   bool   // the store is this node's to close
	ready   readiness
}

var _ mcptasks.Runner = (*Node)(nil)

// Open opens the database at url (postgres://…, sqlite:path, sqlite::memory:) and
// returns a node on it for the tools. The package of the database's driver must be
// imported. It fails, saying what to do, if the database cannot be reached or its
// schema is older or newer than this release's. Close the node when done.
func Open(ctx context.Context, url string, tools *mcptasks.Tools, config *Config) (*Node, error) {
	backend, news, err := open(ctx, url, config)
	if err != nil {
		return nil, err
	}
	node := newNode(backend, tools, config, news)
	node.owned = true
	return node, nil
}

// open opens the database at url, and the news of its tasks.
func open(ctx context.Context, url string, config *Config) (store.Backend, *news, error) {
	news := newNews(config.logger())
	backend, err := store.Open(ctx, url, config.storeConfig(news))
	if err != nil {
		return nil, nil, err
	}
	if err := config.prepare(ctx, backend); err != nil {
		_ = backend.Close()
		return nil, nil, err
	}
	news.open(backend, config.pollOnly())
	return backend, news, nil
}

// prepare brings the schema up, or checks it.
func (c *Config) prepare(ctx context.Context, backend store.Backend) error {
	if c != nil && c.Migrate {
		return migrations.Up(ctx, backend.Migrations())
	}
	return migrations.Check(ctx, backend.Migrations())
}

func newNode(backend store.Backend, tools *mcptasks.Tools, config *Config, news *news) *Node {
	if config == nil {
		config = &Config{}
	}
	id := rand.Text()
	node := &Node{
		id:    id,
		tools: tools,
		store: backend,
		news:  news,
		audit: telemetry.NewAudit(config.Audit),
		ready: readiness{check: func(ctx context.Context) error { return migrations.Check(ctx, backend.Migrations()) }, checkedAt: time.Now()},
		workers: workers.New(backend, tools, workers.Config{
			NodeID:            id,
			Logger:            config.Logger,
			MaxWorkers:        config.MaxWorkers,
			Queues:            config.Queues,
			PollOnly:          config.PollOnly,
			FetchCooldown:     config.FetchCooldown,
			FetchPollInterval: config.FetchPollInterval,
			SweepInterval:     config.SweepInterval,
			Beat:              config.Beat,
			JobRetention:      config.JobRetention,
			Grace:             config.Grace,
			TracerProvider:    config.TracerProvider,
			MeterProvider:     config.MeterProvider,
		}),
	}
	node.unwatch = telemetry.NewMetrics(config.MeterProvider).Observe(config.figures(backend.Operator()))
	return node
}

func (c *Config) logger() *slog.Logger {
	if c == nil {
		return nil
	}
	return c.Logger
}

func (c *Config) pollOnly() bool { return c != nil && c.PollOnly }

func (c *Config) storeConfig(news *news) *store.Config {
	out := &store.Config{Changed: news.announce, Queued: news.queued}
	if c != nil {
		out.Schema = c.Schema
		out.PollOnly = c.PollOnly
		out.Logger = c.Logger
		out.MaxResultBytes = c.MaxResultBytes
		out.MinRetention = c.MinRetention
		out.MaxRecoveries = c.MaxRecoveries
		out.Settled = 3 * c.Beat
		out.MaxArgumentBytes = c.MaxArgumentBytes
		out.MaxSteps, out.MaxQuestions = c.MaxSteps, c.MaxQuestions
		out.MaxLiveTasks, out.MaxBacklog = c.MaxLiveTasks, c.MaxBacklog
		out.TracerProvider, out.MeterProvider, out.Audit = c.TracerProvider, c.MeterProvider, c.Audit
	}
	return out
}

// ID returns the node's id, drawn at random when it was opened. River knows the
// node by it.
func (n *Node) ID() string { return n.id }

// Create implements [mcptasks.Runner]: the job and the task are inserted in one
// transaction, which has been committed when Create returns.
func (n *Node) Create(ctx context.Context, owner mcptasks.Owner, params mcptasks.CreateParams) (*mcptasks.Task, error) {
	call, err := n.newTask(owner, params)
	if err != nil {
		return nil, err
	}
	tasks, err := n.store.Create(ctx, []store.NewTask{call})
	if err != nil {
		return nil, err
	}
	return tasks[0], nil
}

func (n *Node) newTask(owner mcptasks.Owner, params mcptasks.CreateParams) (store.NewTask, error) {
	tool, ok := n.tools.Get(params.Tool)
	if !ok {
		return store.NewTask{}, &mcptasks.Error{Op: "create", Err: fmt.Errorf("%w: %q", mcptasks.ErrUnknownTool, params.Tool)}
	}
	if tool.Options.TaskSupport == mcptasks.TaskForbidden {
		return store.NewTask{}, &mcptasks.Error{Op: "create", Err: fmt.Errorf("%w: tool %q forbids tasks", mcptasks.ErrInvalid, params.Tool)}
	}
	return store.NewTask{Owner: owner, Tool: tool, Params: params}, nil
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

// Answer implements [mcptasks.Runner]: the answers and, with the last one, the
// fresh job are stored in one transaction.
func (n *Node) Answer(ctx context.Context, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) error {
	return n.store.Answer(ctx, owner, id, responses)
}

// Cancel implements [mcptasks.Runner]. A run in this process is told at once, on
// Postgres also one in another process. A run that was not told finds out by
// itself within five seconds.
func (n *Node) Cancel(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error) {
	task, err := n.store.Cancel(ctx, owner, id)
	if task != nil && task.Status == mcptasks.StatusCancelled { // also if another process cancelled it
		n.workers.Cancelled(id, task.FinishedAt)
	}
	auditRead(ctx, n.audit, task, false) // it may have ended before
	return task, err
}

// Start begins to work tasks in this process and returns. The context bounds the
// start alone: when it ends later no run is cut short; Stop and Close end the
// work. It fails if no tool has a handler, and on SQLite if another process works
// the file; other processes may go on to open, read and cancel there.
func (n *Node) Start(ctx context.Context) error {
	err := n.workers.Start(ctx)
	if err == nil {
		n.ready.is(serving)
	}
	return err
}

// Stop takes no new work, lets runs go on for the grace or until ctx ends, and
// then ends their contexts with ErrShutdown; their tasks run again elsewhere, or
// here after the next Start, and no attempt is used. It returns when all runs
// have, or with an error if handlers ignore the end of their context. A node that
// was not started stops at once.
func (n *Node) Stop(ctx context.Context) error {
	n.ready.is(draining)
	return n.workers.Stop(ctx)
}

// Close stops the node as Stop does, with the whole grace, and closes the
// database if Open opened it.
func (n *Node) Close() error {
	err := n.Stop(context.Background())
	n.ready.is(closed)
	n.unwatch()
	n.news.close()
	if n.owned {
		err = errors.Join(err, n.store.Close())
	}
	return err
}
