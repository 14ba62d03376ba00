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
// has its default. [Open], [New] and [OpenOperator] return an error that is
// [mcptasks.ErrInvalid] and names the field if a value is not allowed: a negative one, or a
// duration below a millisecond.
type Config struct {
	// Migrate brings an older schema up when the node is opened. Any number of nodes
	// may do so at once. Open does it for a SQLite file in any case.
	Migrate bool

	// Schema is the Postgres schema for River's tables and ours: lower-case letters,
	// digits and _. Open uses it; New uses the driver's. Defaults to "mcptasks".
	Schema string

	// Logger is where the node and River log. Defaults to slog.Default().
	Logger *slog.Logger

	// MaxWorkers is how many runs go on at once in this process, in each queue. At most
	// 10,000. Defaults to 100.
	MaxWorkers int

	// Queues are the queues that this node works when it is started: it runs only the
	// tasks of their tools, and still serves all tools. Defaults to the queues of all
	// tools.
	Queues []string

	// Grace is how long Stop and Close let runs go on. Defaults to 30 seconds.
	Grace time.Duration

	// MaxResultBytes bounds the JSON of a result; a longer one fails the task.
	// Defaults to 8 MiB.
	MaxResultBytes int

	// MinRetention is how long a task is kept after its end at least, whatever its TTL.
	// Defaults to 10 minutes.
	MinRetention time.Duration

	// HeartbeatInterval is how often a working node records that it is alive. The
	// others recover the tasks of a node that has not done so for a lease, which is
	// three intervals. All nodes of a database should have the same. Defaults to 5
	// seconds.
	HeartbeatInterval time.Duration

	// SweepInterval is how often a working node looks for tasks that no request asks
	// about and that are past their deadline, expired, or without a job. Defaults to 5
	// seconds.
	SweepInterval time.Duration

	// JobRetention is how long River keeps jobs that have ended. Defaults to 1 hour.
	JobRetention time.Duration

	// MaxRecoveries is how many times in a row a task's node may die before the task
	// fails. Defaults to 3.
	MaxRecoveries int

	// MaxArgumentBytes bounds the JSON of a call's arguments. Defaults to 4 MiB.
	MaxArgumentBytes int

	// MaxSteps and MaxQuestions bound the steps that one task may record and the
	// questions that it may ask. They default to 10,000 and 1,000.
	MaxSteps, MaxQuestions int

	// MaxLiveTasks bounds the tasks of one owner that have not ended, MaxBacklog the
	// tasks of one queue that wait for their run. Create returns ErrLimit beyond them.
	// Zero is no limit, the default.
	MaxLiveTasks, MaxBacklog int

	// PollOnly is for a Postgres behind PgBouncer in transaction mode: the node polls
	// instead of listening. A task waits for its run for up to FetchPollInterval. Watch
	// sees a change of another process within a second, and a run sees a cancel of
	// another process within three. Open then sets no limits for its sessions and
	// prepares no statements; see store/postgres. For New the program's pool must have
	// default_query_exec_mode=exec, or simple_protocol. Migrations need a connection to
	// the server itself.
	PollOnly bool

	// TracerProvider and MeterProvider are where spans and metrics go. They default to
	// OpenTelemetry's global ones, which drop everything until the program sets them.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider

	// Audit gets a line, "mcptasks: audit", for each task that is created, answered or
	// cancelled, and each time an outcome is read, with action, owner, task_id and tool.
	// What [Node.Operator] does has operator=true, and its deletes have a line, too. What
	// was done in the program's own transaction has tx=true; that transaction may still
	// have been rolled back. Defaults to no audit.
	Audit *slog.Logger

	// FetchCooldown and FetchPollInterval are River's, for the queues that this node
	// works. They default to 1 ms and to 200 ms, 100 ms with PollOnly. On SQLite a node
	// is notified of its own creates and answers at once, and of those of other
	// processes within 50 ms.
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
