// Package workers runs tasks: a River worker that claims a task, runs its tool
// and writes how it ended.
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

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/store"
)

// stopWait is how long Stop waits after it has ended the contexts of the runs
// that outlasted the grace.
const stopWait = 10 * time.Second

// Workers works the tasks of one database's tools in this process. Start and
// Stop must not be called concurrently; all else is safe for concurrent use.
type Workers struct {
	store  store.Backend
	tools  *mcptasks.Tools
	config *config.Config
	nodeID string
	log    *slog.Logger

	tracer  *telemetry.Tracer
	metrics *telemetry.Metrics

	names       []string // the tools this process has a handler for
	caller      *mcptasks.Caller
	client      store.WorkClient
	end         func() error // ends what BeginWork began
	heartbeat   *heartbeat
	maintenance *maintenance

	beating   atomic.Pointer[heartbeat] // while it is started
	callbacks sync.WaitGroup            // of runs, that a timer or a context calls

	mu    sync.Mutex
	runs  map[*run]struct{}
	jobs  map[int64]struct{} // those River has handed over and not got back
	taken int                // how many it has handed over since analyze looked
}

// New returns workers for those of the tools that have a handler, do not forbid
// tasks, and are of a queue worked here. The config is a resolved one; the node's id is
// drawn at random when it is opened. The workers are idle until Start.
func New(backend store.Backend, tools *mcptasks.Tools, cfg *config.Config, nodeID string) *Workers {
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

// Start begins to fetch and run jobs and returns. The context bounds the start
// alone: its end later stops nothing. On SQLite it returns an error if another
// process works the file, and gives the tasks that an earlier process left
// unfinished a fresh job; on Postgres the nodes that live do so for one another.
func (w *Workers) Start(ctx context.Context) (err error) {
	if w.client != nil {
		return &mcptasks.Error{Op: "start", Err: errors.New("the node has been started already")}
	}
	if err := w.checkWork(); err != nil {
		return err
	}
	if w.caller, err = w.tools.NewCaller(); err != nil {
		return err
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

// begin beats, and only then fetches: a job is never held by a node that nobody
// knows.
func (w *Workers) begin(ctx context.Context) error {
	config := w.riverConfig()
	host, _ := os.Hostname()
	node := store.Node{ID: w.nodeID, Host: host, Tools: w.names, Queues: w.queues()}
	w.heartbeat = &heartbeat{store: w.store, node: node, config: w.config, log: w.log}
	if err := w.heartbeat.beat(ctx); err != nil {
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
	w.beating.Store(w.heartbeat)
	w.maintenance = w.startMaintenance()
	return nil
}

func (w *Workers) riverConfig() *river.Config {
	bundle := river.NewWorkers()
	river.AddWorker(bundle, &worker{workers: w})
	queues := make(map[string]river.QueueConfig)
	for _, queue := range w.queues() {
		queues[queue] = river.QueueConfig{MaxWorkers: w.config.MaxWorkers}
	}
	return &river.Config{
		ID:                w.nodeID,
		Logger:            w.log,
		Queues:            queues,
		Workers:           bundle,
		PollOnly:          w.config.PollOnly,
		FetchCooldown:     w.config.FetchCooldown,
		FetchPollInterval: w.config.FetchPollInterval,
		JobTimeout:        -1, // a task has its own limit

		CompletedJobRetentionPeriod: w.config.JobRetention,
		CancelledJobRetentionPeriod: w.config.JobRetention,
		DiscardedJobRetentionPeriod: w.config.JobRetention,

		ReindexerIndexNames: slices.DeleteFunc(river.ReindexerIndexNamesDefault(), dropped),
	}
}

// dropped says that our schema is without the index of River's; see migrations.
func dropped(index string) bool {
	return index == "river_job_args_index" || index == "river_job_metadata_index" || index == "river_job_kind"
}

// Dead says whether the workers were started and cannot beat: to the other nodes this
// one is dead.
func (w *Workers) Dead() bool {
	heartbeat := w.beating.Load()
	return heartbeat != nil && heartbeat.dead()
}

// Stop fetches no more jobs, waits for the runs that are going on until the
// grace is over or ctx ends, whichever is first, and then ends their contexts
// with ErrShutdown; their tasks run again elsewhere, and no attempt is used. It
// returns an error if runs are still going on ten seconds after that. It does
// nothing if the workers were not started.
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
	w.beating.Store(nil)
	w.maintenance.stop()
	if err != nil { // its runs go on: nobody else may believe that there are none
		return err
	}
	w.callbacks.Wait()
	forget, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	return errors.Join(w.store.Forget(forget, w.nodeID), w.end(), w.caller.Close())
}

// Cancelled ends the context of the task's run with ErrCancelled, if it is going on
// in this process: the task was cancelled then.
func (w *Workers) Cancelled(taskID string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		if r.TaskID == taskID {
			r.cancelled(at)
		}
	}
}
