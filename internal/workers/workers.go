// Package workers runs tasks. A River worker claims a task, runs its tool and writes the
// result (work.go, settle.go); heartbeats and maintenance loops recover the tasks of nodes
// that died, and end what no request ends (heartbeat.go, maintenance.go). It knows River's
// worker and the rules of package store. It knows no SQL and no database, and nothing of
// MCP's wire or of the clients that ask about tasks.
package workers

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// stopWait is how long Stop waits for runs that outlasted the grace, after it has ended
// their contexts.
const stopWait = 10 * time.Second

// Workers works the tasks of one database's tools in this process. Start and
// Stop must not be called concurrently; all else is safe for concurrent use.
type Workers struct {
	store  taskstore.Backend
	tools  *mcptasks.Tools
	config *config.Config
	nodeID string
	log    *slog.Logger

	tracer  *telemetry.Tracer
	metrics *telemetry.Metrics

	names       []string // of the tools that are worked here
	caller      *toolcall.Caller
	client      taskstore.WorkClient
	end         func() error // ends what BeginWork began
	heartbeat   *heartbeat
	maintenance *maintenance

	started   atomic.Pointer[heartbeat] // nil unless the workers are started; see Dead
	callbacks sync.WaitGroup            // callbacks of runs that have not ended

	mu      sync.Mutex
	runs    map[*run]struct{}
	jobs    map[int64]struct{} // that River has handed over and whose work has not ended
	fetched int                // jobs that River has handed over since analyzeAfterBurst looked
}

// New returns workers for the tools that have a handler, allow tasks, and have a queue
// that is worked here. The config is a resolved one. They do nothing until Start.
func New(backend taskstore.Backend, tools *mcptasks.Tools, cfg *config.Config, nodeID string) *Workers {
	w := &Workers{
		store: backend, tools: tools, config: cfg, nodeID: nodeID, log: cfg.Logger,
		tracer: telemetry.NewTracer(cfg.TracerProvider), metrics: telemetry.NewMetrics(cfg.MeterProvider),
		runs: make(map[*run]struct{}), jobs: make(map[int64]struct{}),
	}
	for _, tool := range workable(tools) {
		if len(cfg.Queues) == 0 || slices.Contains(cfg.Queues, tool.Options.Queue) {
			w.names = append(w.names, tool.Name)
		}
	}
	return w
}

// Start begins to fetch and run jobs and returns. The context bounds the start alone: when
// it ends later nothing stops. On SQLite Start returns an error if another process works
// the file, and gives a fresh job to the tasks that an earlier process left unfinished; on
// Postgres the nodes that are alive do that for one another.
func (w *Workers) Start(ctx context.Context) (err error) {
	if w.client != nil {
		return &mcptasks.Error{Op: "start", Err: errors.New("the node has been started already")}
	}
	if err := w.checkWork(); err != nil {
		return err
	}
	if w.caller, err = w.tools.Internal().NewCaller(); err != nil {
		return &mcptasks.Error{Op: "start", Err: err}
	}
	if w.end, err = w.store.BeginWork(ctx); err != nil {
		_ = w.caller.Close()
		return err
	}
	if err := w.begin(ctx); err != nil {
		_, _ = w.end(), w.caller.Close()
		return &mcptasks.Error{Op: "start", Err: err}
	}
	return nil
}

// begin sends a heartbeat before it fetches, so that every node that has a job is known to
// the others.
func (w *Workers) begin(ctx context.Context) error {
	config := w.riverConfig()
	host, _ := os.Hostname()
	node := driver.Node{ID: w.nodeID, Host: host, Tools: w.names, Queues: w.queues()}
	w.heartbeat = &heartbeat{store: w.store, node: node, config: w.config, log: w.log}
	if err := w.heartbeat.send(ctx); err != nil {
		return err
	}
	client, err := w.store.WorkClient(config)
	if err == nil {
		err = client.Start(context.WithoutCancel(ctx))
	}
	if err != nil {
		_ = w.store.Forget(context.WithoutCancel(ctx), w.nodeID)
		return err
	}
	w.client = client
	w.started.Store(w.heartbeat)
	w.maintenance = w.startMaintenance()
	return nil
}

// Dead reports whether the workers are started and have sent no heartbeat for a lease: the
// other nodes treat this one as dead.
func (w *Workers) Dead() bool {
	heartbeat := w.started.Load()
	return heartbeat != nil && heartbeat.dead()
}

// Stop fetches no more jobs and waits for the runs until the grace is over or ctx ends. It
// then ends the contexts of those that are left with ErrShutdown: their tasks run again
// elsewhere, and no attempt is used. It returns an error if runs are still going on ten
// seconds after that. It does nothing if the workers were not started.
func (w *Workers) Stop(ctx context.Context) error {
	if w.client == nil {
		return nil
	}
	grace, cancel := context.WithTimeout(ctx, w.config.Grace)
	defer cancel()
	err := w.client.Stop(grace)
	if err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
		defer cancel()
		err = w.client.StopAndCancel(hard)
	}
	if err != nil {
		w.mu.Lock()
		n := len(w.runs)
		w.mu.Unlock()
		w.log.ErrorContext(ctx, "mcptasks: handlers ignore the end of their context", "runs", n)
		err = &mcptasks.Error{Op: "stop", Err: err, Hint: "a handler must return when its context ends"}
	}
	w.client = nil
	w.started.Store(nil)
	w.maintenance.stop()
	if err != nil { // runs go on: the node must not be forgotten, nor the lock released
		return err
	}
	w.callbacks.Wait()
	forget, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	return errors.Join(w.store.Forget(forget, w.nodeID), w.end(), w.caller.Close())
}

// Cancelled ends the context of the task's run with ErrCancelled, if it runs in this
// process. The task was cancelled at that time.
func (w *Workers) Cancelled(taskID string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		if r.TaskID == taskID {
			r.cancelled(at)
		}
	}
}
