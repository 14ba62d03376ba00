// Package store holds the rules for a task and its job together: what is written
// in one transaction, under which fence, and what a lost race means. The SQL is in
// a [Driver] per database, store/postgres and store/sqlite.
package store

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/batch"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/migrations"
)

// MaxRepairs is how many fresh jobs a task gets because it did not agree with its job,
// before it fails.
const MaxRepairs = 3

// Hooks are what a [Store] calls. The zero value works.
type Hooks struct {
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time

	// Changed is called with a task's id after this process has committed a
	// change of it. It must not block. Defaults to nothing.
	Changed func(taskID string)

	// Queued is called with a queue's name after this process has committed a new
	// job of it that its workers have not been told of; see Store.Ring. It must not
	// block. Defaults to nothing.
	Queued func(queue string)
}

func (h Hooks) withDefaults() Hooks {
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Changed == nil {
		h.Changed = func(string) {}
	}
	if h.Queued == nil {
		h.Queued = func(string) {}
	}
	return h
}

// Store is the tasks of one database. Safe for concurrent use.
type Store[TTx any] struct {
	driver Driver[TTx]
	river  *river.Client[TTx] // inserts and cancels; it works nothing
	config *config.Config
	hooks  Hooks

	ringsAfter bool // for the jobs of a create, when it has committed

	gets     *batch.Batcher[Name, *mcptasks.Task]
	creates  *batch.Batcher[*Row, struct{}]
	claims   *batch.Batcher[claim, *Claimed]
	reports  *batch.Batcher[Report, bool]
	retries  *batch.Batcher[Retry, bool]
	finishes *batch.Batcher[Finish, bool]

	completed completedJobs
	listeners workListeners

	tracer  *telemetry.Tracer
	metrics *telemetry.Metrics
	audit   telemetry.Audit
}

var _ Backend = (*Store[struct{}])(nil)

// New returns a store on the driver, which stays the caller's to close unless the
// store is. The config is a resolved one. It reads and writes nothing yet.
func New[TTx any](driver Driver[TTx], cfg *config.Config, hooks Hooks) (*Store[TTx], error) {
	const never = 100 * 365 * 24 * time.Hour
	client, err := river.NewClient(driver.River(), &river.Config{
		Logger: cfg.Logger,
		Schema: driver.Schema(),
		// How often an insert may notify the workers within its transaction: we ring
		// for them ourselves.
		FetchCooldown:     never,
		FetchPollInterval: never,
	})
	if err != nil {
		return nil, &mcptasks.Error{Op: "open", Err: err}
	}
	s := &Store[TTx]{
		driver: driver, river: client, config: cfg, hooks: hooks.withDefaults(),
		tracer: telemetry.NewTracer(cfg.TracerProvider), metrics: telemetry.NewMetrics(cfg.MeterProvider), audit: telemetry.NewAudit(cfg.Audit),
	}
	_, oneWriter := driver.(Exclusive)
	s.ringsAfter = !oneWriter
	s.makeBatchers(oneWriter)
	return s, nil
}

// Migrations returns the database as something to migrate and check.
func (s *Store[TTx]) Migrations() migrations.DB { return s.driver }

// Ping says whether the database answers.
func (s *Store[TTx]) Ping(ctx context.Context) error {
	if err := s.driver.Ping(ctx); err != nil {
		return wrap("ping", "", err)
	}
	return nil
}

// Close closes the driver.
func (s *Store[TTx]) Close() error { return s.driver.Close() }

// Get returns the owner's task as it is now, or ErrNotFound. A task that does not
// agree with its job is repaired first.
func (s *Store[TTx]) Get(ctx context.Context, owner mcptasks.Owner, id string) (_ *mcptasks.Task, err error) {
	defer s.op(ctx, telemetry.OpGet, 0).end(&err)
	if !isTaskID(id) || !storable(string(owner)) {
		return nil, wrap("get", quotable(id), mcptasks.ErrNotFound)
	}
	task, err := s.gets.Do(ctx, Name{owner, id})
	if err == nil {
		task, err = s.sound(ctx, task)
	}
	if err != nil {
		return nil, wrap("get", id, err)
	}
	return task, nil
}

// sound returns the task as its owner is told of it, repaired if it has to be.
func (s *Store[TTx]) sound(ctx context.Context, task *mcptasks.Task) (*mcptasks.Task, error) {
	if s.suspect(task) {
		var err error
		if task, err = s.repaired(ctx, task); err != nil {
			return nil, err
		}
	}
	reportTTL(task)
	return task, nil
}

// suspect says whether the task has stood still for so long that its job is worth
// a look.
func (s *Store[TTx]) suspect(task *mcptasks.Task) bool {
	if task.Status == mcptasks.StatusInputRequired {
		return len(task.Questions) == 0
	}
	return task.Status == mcptasks.StatusWorking && s.now().Sub(task.UpdatedAt) > s.config.Lease()
}

func (s *Store[TTx]) repaired(ctx context.Context, task *mcptasks.Task) (*mcptasks.Task, error) {
	broken, err := s.driver.IsBroken(ctx, task.ID)
	if err != nil || !broken {
		return task, err
	}
	changed, err := s.change(ctx, task.ID, func(tx TTx, locked *Locked) (bool, error) { return s.repairTx(ctx, tx, locked) })
	if err != nil || !changed {
		return task, err
	}
	s.metrics.Swept.Add(ctx, 1, telemetry.Repaired)
	return s.driver.Get(ctx, task.Owner, task.ID, s.now())
}

// reportTTL makes the TTL of a task that has ended the time until it expires: it
// may be kept for longer than was asked.
func reportTTL(task *mcptasks.Task) {
	if !task.ExpiresAt.IsZero() {
		task.TTL = task.ExpiresAt.Sub(task.CreatedAt)
	}
}

// now is the one clock reading of a write, at the precision every database keeps.
func (s *Store[TTx]) now() time.Time { return s.hooks.Now().UTC().Truncate(time.Microsecond) }
