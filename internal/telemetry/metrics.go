package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// Metrics are the instruments of the catalog. Safe for concurrent use.
type Metrics struct {
	Creates, Finishes, Retries, Recoveries, Cancels, Parks, Swept Counter

	Active UpDown // runs in progress

	QueueWait, RunTime, CancelLatency Histogram

	storeTime, storeBatch Histogram
	meter                 metric.Meter
}

// NewMetrics returns the instruments of the provider. nil is the global provider, whose
// instruments do nothing until the program sets one.
func NewMetrics(provider metric.MeterProvider) *Metrics {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(Scope)
	return &Metrics{
		Creates:       newCounter(meter, taskCreates),
		Finishes:      newCounter(meter, taskFinishes),
		Retries:       newCounter(meter, taskRetries),
		Recoveries:    newCounter(meter, taskRecoveries),
		Cancels:       newCounter(meter, taskCancels),
		Parks:         newCounter(meter, taskParks),
		Swept:         newCounter(meter, sweeps),
		Active:        newUpDown(meter, runActive),
		QueueWait:     newHistogram(meter, queueWait),
		RunTime:       newHistogram(meter, runDuration),
		CancelLatency: newHistogram(meter, cancelLatency),
		storeTime:     newHistogram(meter, storeDuration),
		storeBatch:    newHistogram(meter, storeBatch),
		meter:         meter,
	}
}

// Outcomes of tasks and of runs.
const (
	Completed   = "completed"
	Error       = "error" // a result that is an error
	Failed      = "failed"
	Cancelled   = "cancelled"
	Retried     = "retried"
	Parked      = "parked"
	Snoozed     = "snoozed"
	Interrupted = "interrupted"
	Lost        = "lost"
)

// Operations on the database.
const (
	OpCreate      = "create"
	OpGet         = "get"
	OpList        = "list"
	OpAnswer      = "answer"
	OpCancel      = "cancel"
	OpClaim       = "claim"
	OpCheckRuns   = "check_runs"
	OpProgress    = "progress"
	OpSaveStep    = "save_step"
	OpPark        = "park"
	OpFailAttempt = "fail_attempt"
	OpFinish      = "finish"
	OpHeartbeat   = "heartbeat"
	OpReap        = "reap"
	OpSweep       = "sweep"
	OpNotify      = "notify"
	OpSurvey      = "survey"
)

// Outcomes of operations on the database, besides Error.
const (
	OK       = "ok"
	Rejected = "rejected"
)

// Kinds of recoveries, of cancels and of sweeps.
const (
	Death = "death"
	Fetch = "fetch"

	ByOwner    = "owner"
	ByOperator = "operator"
	ByJob      = "job"

	Expired    = "expired"
	Overdue    = "overdue"
	Unanswered = "unanswered"
	Repaired   = "repaired"
	Reaped     = "reaped"
)

// An Op is an operation on the database in progress.
type Op struct {
	metrics *Metrics
	name    string
	began   time.Time // zero if nothing is measured
}

// Op starts measuring an operation on the database. batch is how many tasks one statement
// reads or writes, 0 for an operation that never has several.
func (m *Metrics) Op(ctx context.Context, name string, batch int) Op {
	if !m.storeTime.instrument.Enabled(ctx) {
		return Op{}
	}
	if batch > 0 {
		m.Batch(ctx, name, batch)
	}
	return Op{m, name, time.Now()}
}

// Batch records how many tasks one statement read or wrote.
func (m *Metrics) Batch(ctx context.Context, name string, tasks int) {
	m.storeBatch.Record(ctx, float64(tasks), name)
}

// End records the operation's duration.
func (o Op) End(ctx context.Context, outcome string) {
	if !o.began.IsZero() {
		o.metrics.storeTime.RecordDuration(ctx, time.Since(o.began), o.name, outcome)
	}
}
