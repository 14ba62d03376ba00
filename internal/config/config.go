// Package config resolves what a node is configured with: it fills in the defaults and
// checks every field, once, before anything is opened. The layers below the runner get
// the resolved Config as it is. It knows no database and starts nothing.
package config

import (
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Config has exactly the fields of runner.Config, where each is documented: the runner
// converts one to the other, which the compiler checks. A Config that [Resolve] returned
// is complete and valid, and must not be changed.
type Config struct {
	Migrate                          bool
	Schema                           string
	Logger                           *slog.Logger
	MaxWorkers                       int
	Queues                           []string
	Grace                            time.Duration
	MaxResultBytes                   int
	MinRetention                     time.Duration
	HeartbeatInterval                time.Duration
	SweepInterval                    time.Duration
	JobRetention                     time.Duration
	MaxRecoveries                    int
	MaxArgumentBytes                 int
	MaxSteps, MaxQuestions           int
	MaxLiveTasks, MaxBacklog         int
	PollOnly                         bool
	TracerProvider                   trace.TracerProvider // nil: OpenTelemetry's global one
	MeterProvider                    metric.MeterProvider // nil: OpenTelemetry's global one
	Audit                            *slog.Logger         // nil: nothing is audited
	FetchCooldown, FetchPollInterval time.Duration
}

// DefaultSchema is the Postgres schema of a Config that names none.
const DefaultSchema = "mcptasks"

// Resolve returns a copy of c in which every field that was zero has its default. It
// returns an [*Error] for the first field whose value is not allowed.
func Resolve(c Config) (*Config, error) {
	c.Queues = slices.Clone(c.Queues)
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &c, nil
}

// Default returns the Config whose fields were all zero.
func Default() *Config {
	c := new(Config)
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	setDefault(&c.Schema, DefaultSchema)
	setDefault(&c.Logger, slog.Default())
	setDefault(&c.MaxWorkers, 100)
	setDefault(&c.Grace, 30*time.Second)
	setDefault(&c.MaxResultBytes, 8<<20)
	setDefault(&c.MinRetention, 10*time.Minute)
	setDefault(&c.HeartbeatInterval, 5*time.Second)
	setDefault(&c.SweepInterval, 5*time.Second)
	setDefault(&c.JobRetention, time.Hour)
	setDefault(&c.MaxRecoveries, 3)
	setDefault(&c.MaxArgumentBytes, 4<<20)
	setDefault(&c.MaxSteps, 10_000)
	setDefault(&c.MaxQuestions, 1_000)
	setDefault(&c.FetchCooldown, time.Millisecond)
	poll := 200 * time.Millisecond // a safety net: notifications normally come first
	if c.PollOnly {
		poll = 100 * time.Millisecond
	}
	setDefault(&c.FetchPollInterval, max(poll, c.FetchCooldown)) // River refuses a shorter one
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Lease is how long a node that sends no heartbeats counts as alive: three heartbeat
// intervals. After it the other nodes recover its tasks, and it ends its own runs. A
// task that has not changed for a lease is old enough to be compared with its job.
func (c *Config) Lease() time.Duration { return 3 * c.HeartbeatInterval }
