// Package store holds the rules for a task and its job together: what is written
// in one transaction, under which fence, and what a lost race means. The SQL is in
// a [Driver] per database, store/postgres and store/sqlite.
package store

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/migrations"
)

// Config is how a [Store] behaves. The zero value works.
type Config struct {
	// Logger is where the store and River log. Defaults to slog.Default().
	Logger *slog.Logger

	// Schema is the Postgres schema for River's tables and ours; lower-case
	// letters, digits and _. Not used on SQLite. Defaults to "mcptasks".
	Schema string

	// AsIs has Open leave the schema of a SQLite file as it is, which it otherwise
	// brings up: for whoever migrates, or looks what there is.
	AsIs bool

	// PollOnly says that the database is reached through PgBouncer in transaction
	// mode: nothing is made to last for longer than a transaction. Used by Open.
	PollOnly bool

	// MaxResultBytes bounds the JSON of a task's result. A longer one fails the
	// task. Defaults to 8 MiB.
	MaxResultBytes int

	// MinRetention is how long a task that ended is kept at least, whatever its
	// TTL. Defaults to 10 minutes.
	MinRetention time.Duration

	// MaxRecoveries is how many times in a row a task's worker may die before
	// the task fails. Defaults to 3.
	MaxRecoveries int

	// MaxRepairs is how many fresh jobs a task gets because it did not agree with
	// its job, before it fails. Defaults to 3.
	MaxRepairs int

	// Settled is how long a task must stand still before a read of it looks
	// whether it agrees with its job. Defaults to 15 seconds.
	Settled time.Duration

	// MaxArgumentBytes bounds the JSON of a call's arguments. Defaults to 4 MiB.
	MaxArgumentBytes int

	// MaxSteps and MaxQuestions bound what one task may record and ask. They
	// default to 10,000 and 1,000.
	MaxSteps, MaxQuestions int

	// MaxLiveTasks bounds an owner's tasks that have not ended, MaxBacklog the
	// tasks of a queue that wait to be run. Both count at each create, and are
	// approximate while many are made at once. Default to no limit.
	MaxLiveTasks, MaxBacklog int

	// TracerProvider and MeterProvider are told what the store does. They default
	// to OpenTelemetry's global ones.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider

	// Audit gets a line for each task that is created, answered, cancelled or
	// deleted. Defaults to none.
	Audit *slog.Logger

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

func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	out.Schema = cmp.Or(out.Schema, "mcptasks")
	out.MaxResultBytes = cmp.Or(out.MaxResultBytes, 8<<20)
	out.MinRetention = cmp.Or(out.MinRetention, 10*time.Minute)
	out.MaxRecoveries = cmp.Or(out.MaxRecoveries, 3)
	out.MaxRepairs = cmp.Or(out.MaxRepairs, 3)
	out.Settled = cmp.Or(out.Settled, 15*time.Second)
	out.MaxArgumentBytes = cmp.Or(out.MaxArgumentBytes, 4<<20)
	out.MaxSteps = cmp.Or(out.MaxSteps, 10_000)
	out.MaxQuestions = cmp.Or(out.MaxQuestions, 1_000)
	if out.Now == nil {
		out.Now = time.Now
	}
	if out.Changed == nil {
		out.Changed = func(string) {}
	}
	if out.Queued == nil {
		out.Queued = func(string) {}
	}
	return out
}

// Store is the tasks of one database. Safe for concurrent use.
type Store[TTx any] struct {
	driver Driver[TTx]
	river  *river.Client[TTx] // inserts and cancels; it works nothing
	config Config

	ringsAfter bool // for the jobs of a create, when it has committed

	gets     joiner[Name, *mcptasks.Task]
	creates  joiner[*Row, struct{}]
	claims   joiner[claim, *Claimed]
	reports  joiner[Report, bool]
	retries  joiner[Retry, bool]
	finishes joiner[Finish, bool]

	completed completedJobs
	listeners workListeners

	tracer  *telemetry.Tracer
	metrics *telemetry.Metrics
	audit   telemetry.Audit
}

var _ Backend = (*Store[struct{}])(nil)

// New returns a store on the driver, which stays the caller's to close unless the
// store is. It reads and writes nothing yet.
func New[TTx any](driver Driver[TTx], config *Config) (*Store[TTx], error) {
	cfg := config.withDefaults()
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
		driver: driver, river: client, config: cfg,
		tracer: telemetry.NewTracer(cfg.TracerProvider), metrics: telemetry.NewMetrics(cfg.MeterProvider), audit: telemetry.NewAudit(cfg.Audit),
	}
	_, oneWriter := driver.(Exclusive)
	s.ringsAfter = !oneWriter
	s.join(oneWriter)
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
	task, err := s.gets.do(ctx, Name{owner, id})
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
	return task.Status == mcptasks.StatusWorking && s.now().Sub(task.UpdatedAt) > s.config.Settled
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
func (s *Store[TTx]) now() time.Time { return s.config.Now().UTC().Truncate(time.Microsecond) }
