package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
)

// Driver is the SQL of one kind of database. [Store] holds the rules; a Driver's
// methods each run the few statements their comment names and decide nothing. TTx
// is the transaction type of the database's library, and of River's driver for it.
//
// Methods that take a tx run in it; the others are one transaction of their own,
// or one statement. Worker-side methods change only rows whose fence still holds:
// the task is working, its job_id and run_token are the run's. Slices hold each
// task at most once. All methods are safe for concurrent use and return
// [mcptasks.ErrNotFound] or the database's error.
type Driver[TTx any] interface {
	migrations.DB

	// River returns River's driver on the same pool.
	River() riverdriver.Driver[TTx]

	// InTx runs fn in a transaction and commits it if fn returns nil. It may
	// call fn again when the database asks for the transaction to be repeated.
	InTx(ctx context.Context, fn func(tx TTx) error) error

	// Insert adds working tasks.
	Insert(ctx context.Context, tx TTx, tasks []*Row) error

	// Get returns the owner's task, unless it expired before now.
	Get(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error)

	// Claim gives each task its new run token and counts the run, for the tasks
	// that are working under the claim's job and whose tool is one of tools. It
	// returns those, with their recorded steps.
	Claim(ctx context.Context, claims []Fence, tools []string, now time.Time) ([]*Claimed, error)

	// ToolOf returns the tool of the working task whose job this is.
	ToolOf(ctx context.Context, taskID string, jobID int64) (string, error)

	// Held returns the tokens of those runs whose fence holds. It changes nothing.
	Held(ctx context.Context, runs []Fence) ([]string, error)

	// Report sets progress and message, and returns the ids of the tasks whose
	// fence held.
	Report(ctx context.Context, reports []Report, now time.Time) ([]string, error)

	// SaveStep records a step's result and sets recoveries to zero. It returns
	// the result that is recorded under the key now, and whether the fence held.
	SaveStep(ctx context.Context, step Step, now time.Time) (result json.RawMessage, held bool, err error)

	// Retry counts an error of the handler, sets the message, drops the run
	// token and adds the event. It returns the ids of the tasks whose fence held.
	Retry(ctx context.Context, retries []Retry, now time.Time) ([]string, error)

	// Finish ends tasks with their outcome, sets finished_at to now and
	// expires_at to the later of created_at + ttl and now + retention, clears
	// job_id and run_token, and adds the event if there is one. It returns the
	// ids of the tasks whose fence held.
	Finish(ctx context.Context, ends []Finish, now time.Time, retention time.Duration) ([]string, error)

	// Cancel ends the owner's task as cancelled, as Finish does. It returns the
	// job the task had, or 0, and whether the task was not terminal before.
	Cancel(ctx context.Context, tx TTx, owner mcptasks.Owner, id string, now time.Time, retention time.Duration) (jobID int64, changed bool, err error)

	// Close releases what the driver itself has opened.
	Close() error
}

// Exclusive is what a Driver offers besides when one process at a time works
// its database: whoever holds the lock knows that no other run is alive.
type Exclusive[TTx any] interface {
	// LockWorker takes the lock, and fails at once if another process holds it.
	LockWorker() (unlock func() error, err error)

	// Unfinished returns the working tasks whose job is not waiting to be
	// fetched: it is running, ended, or gone.
	Unfinished(ctx context.Context, tx TTx) ([]*Unfinished, error)

	// Requeue gives tasks their fresh jobs, drops their run tokens and sets
	// recoveries.
	Requeue(ctx context.Context, tx TTx, tasks []*Unfinished, now time.Time) error

	// DiscardRunning moves every job that River holds to be running to
	// discarded and returns how many there were.
	DiscardRunning(ctx context.Context, tx TTx, now time.Time) (int, error)
}

// Row is a task to insert.
type Row struct {
	mcptasks.Task
	Queue       string
	Priority    int
	Arguments   json.RawMessage
	RequestMeta json.RawMessage
	JobID       int64
	MaxAttempts int
	RunTimeout  time.Duration
}

// Fence names a run: a write under it changes nothing once the task has gone to
// another run, or ended.
type Fence struct {
	TaskID   string
	JobID    int64
	RunToken string
}

// Claimed is a task whose run has just begun.
type Claimed struct {
	Fence
	Owner       mcptasks.Owner
	Tool        string
	Arguments   json.RawMessage
	RequestMeta json.RawMessage
	RunSeq      int
	Attempts    int // errors of the handler so far
	MaxAttempts int
	RunTimeout  time.Duration
	Steps       map[string]json.RawMessage
}

// Report is the progress of a run.
type Report struct {
	Fence
	mcptasks.Progress
	Message string
}

// Step is the result of a step.
type Step struct {
	Fence
	Key    string
	Result json.RawMessage
}

// Retry is the error of an attempt that another one follows.
type Retry struct {
	Fence
	Message string
	Event   Event
}

// Finish is the end of a task.
type Finish struct {
	Fence
	Status  mcptasks.Status
	Message string
	Outcome json.RawMessage // the result, or the JSON-RPC error
	IsError bool
	Event   Event // none if its Kind is empty
}

// Event is an entry of a task's timeline, which is for the operator: Detail may
// hold what no client is told.
type Event struct {
	Kind   string
	Node   string
	Detail string
}

// Unfinished is a task that no live job will run, with what Requeue sets.
type Unfinished struct {
	TaskID     string
	Queue      string
	Priority   int
	WasRunning bool
	Recoveries int
	JobID      int64
	RunToken   string
}
