package runner

import (
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
)

// Config says how a node works. The zero value, and nil, work: each field that is zero
// has its default. Open, New and OpenOperator return an error that is
// [mcptasks.ErrInvalid] and names the field if a value is not allowed: a negative one, an
// interval or a duration below a millisecond.
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

	// HeartbeatInterval is how often a working node records that it is alive. The
	// others recover the tasks of a node that has not done so for a lease, which is
	// three intervals. All nodes of a database should have the same. Defaults to 5
	// seconds.
	HeartbeatInterval time.Duration

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

// resolve returns a checked copy of c in which the defaults are filled in.
func (c *Config) resolve() (*config.Config, error) {
	var given config.Config
	if c != nil {
		given = config.Config(*c)
	}
	resolved, err := config.Resolve(given)
	if err != nil {
		return nil, &mcptasks.Error{Op: "open", Err: fmt.Errorf("%w: %w", mcptasks.ErrInvalid, err)}
	}
	return resolved, nil
}
