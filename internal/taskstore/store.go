// Package taskstore holds the rules for a task and its River job together: what is
// written in one transaction, under which fence, and what it means if a row has not
// changed. It knows River's client. It does not know SQL, which is in a [driver.Driver] for
// each database, nor MCP's wire, nor how a run calls its tool.
package taskstore

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/batch"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/migrations"
)

// Store is the tasks of one database. Safe for concurrent use.
type Store[TTx any] struct {
	driver driver.Driver[TTx]
	river  *river.Client[TTx] // inserts and cancels; it works nothing
	config *config.Config
	now    func() time.Time // of one write, at the precision that every database keeps

	exclusive bool // one process at a time works the database, which has one writer
	notifier  *notify.Notifier

	gets     *batch.Batcher[driver.Name, *mcptasks.Task]
	creates  *batch.Batcher[*driver.Row, struct{}]
	claims   *batch.Batcher[claim, *driver.Claimed]
	reports  *batch.Batcher[driver.Report, bool]
	failures *batch.Batcher[driver.FailedAttempt, bool]
	finishes *batch.Batcher[driver.Finish, bool]

	completed riverdb.CompletedJobs

	tracer  *telemetry.Tracer
	metrics *telemetry.Metrics
	audit   telemetry.Audit
}

var _ Backend = (*Store[struct{}])(nil)

// New returns a store on the driver. The config is a resolved one. The store tells the
// notifier of what it has committed, and has to be the database of the notifier's Start.
// Closing the store closes the driver. New reads and writes nothing.
func New[TTx any](db driver.Driver[TTx], cfg *config.Config, notifier *notify.Notifier) (*Store[TTx], error) {
	return NewWithClock(db, cfg, notifier, time.Now)
}

// NewWithClock is New with a clock, for tests.
func NewWithClock[TTx any](db driver.Driver[TTx], cfg *config.Config, notifier *notify.Notifier, now func() time.Time) (*Store[TTx], error) {
	client, err := riverdb.NewInserter(db.River(), db.Schema(), cfg.Logger)
	if err != nil {
		return nil, &mcptasks.Error{Op: "open", Err: err}
	}
	s := &Store[TTx]{
		driver: db, river: client, config: cfg, notifier: notifier,
		now:    func() time.Time { return now().UTC().Truncate(time.Microsecond) },
		tracer: telemetry.NewTracer(cfg.TracerProvider), metrics: telemetry.NewMetrics(cfg.MeterProvider), audit: telemetry.NewAudit(cfg.Audit),
	}
	_, s.exclusive = db.(driver.Exclusive)
	s.makeBatchers()
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
	task, err := s.gets.Do(ctx, driver.Name{Owner: owner, ID: id})
	if err == nil {
		task, err = s.sound(ctx, task)
	}
	if err != nil {
		return nil, wrap("get", id, err)
	}
	return task, nil
}

// sound returns the task as its owner reads it, after a repair if it needs one.
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

// reportTTL makes the TTL of a task that has ended the time until it expires: it
// may be kept for longer than was asked.
func reportTTL(task *mcptasks.Task) {
	if !task.ExpiresAt.IsZero() {
		task.TTL = task.ExpiresAt.Sub(task.CreatedAt)
	}
}
