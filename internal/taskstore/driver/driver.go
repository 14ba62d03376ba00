// Package driver is the contract between the rules of internal/taskstore and the SQL of a
// database: the interface [Driver], and the rows that go in and out of it. It decides
// nothing. store/postgres and store/sqlite implement it; storetest tests it.
package driver

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
)

// ErrBusy is returned for a task that another transaction has locked: by Driver.Lock at
// once, by anything that waits for the lock when the database does not let it wait
// for longer. Nothing was changed; it may be tried again.
var ErrBusy = errors.New("the task is locked by another transaction")

// Driver is the SQL of one kind of database. Package taskstore has the rules; a Driver's
// methods each run the few statements their comment names and decide nothing. TTx
// is the transaction type of the database's library, and of River's driver for it.
//
// Methods that take a tx run in it; the others are one transaction of their own,
// or one statement. Worker-side methods change only rows whose fence still holds:
// the task is working, its job_id and run_token are the run's. Slices hold each
// task at most once. The worker-side methods that take a slice skip the tasks that another
// transaction has locked, as if their fence did not hold. A task's job is the River job of
// its job_id whose arguments name the task: River before 0.48 gave the id of a deleted job
// to another on SQLite, and such jobs may still be there. All methods are safe for
// concurrent use and return [mcptasks.ErrNotFound] or the
// database's error.
type Driver[TTx any] interface {
	migrations.DB

	// River returns River's driver on the same pool.
	River() riverdriver.Driver[TTx]

	// InTx runs fn in a transaction and commits it if fn returns nil. It may
	// call fn again when the database asks for the transaction to be repeated.
	InTx(ctx context.Context, fn func(tx TTx) error) error

	CallDriver[TTx]
	RunDriver[TTx]
	LockDriver[TTx]
	SweepDriver[TTx]
	NodeDriver
	NotifyDriver
	OperatorDriver

	// Ping asks the database for an answer.
	Ping(ctx context.Context) error

	// Close releases what the driver itself has opened.
	Close() error
}

// CallDriver is what a Driver does for those who make and read tasks.
type CallDriver[TTx any] interface {
	// Insert adds working tasks, each with a River job that may be worked at once and
	// has riverdb.JobAttempts, as River itself would insert it. A driver that is Exclusive also
	// sends riverdb.JobNotifications, in the same transaction.
	Insert(ctx context.Context, tasks []*Row) error

	// InsertTx is Insert in tx, and sends no notification.
	InsertTx(ctx context.Context, tx TTx, tasks []*Row) error

	// InsertKeyed adds a working task that has an idempotency key and no job
	// yet, unless the owner has a task of the tool under the key. It returns the
	// id and arguments hash of the task that has the key now. An expired task is
	// made to let go of its key first.
	InsertKeyed(ctx context.Context, tx TTx, task *Row, now time.Time) (id string, argsHash []byte, err error)

	// InsertAnswers adds answers to questions that have not been asked: their
	// method is "".
	InsertAnswers(ctx context.Context, tx TTx, id string, responses map[string]json.RawMessage, now time.Time) error

	// Counts returns how many live tasks the owner has and how many live tasks
	// there are of the queue that wait for their job to be fetched or run.
	Counts(ctx context.Context, tx TTx, owner mcptasks.Owner, queue string) (live, backlog int, err error)

	// Get returns the owner's task with its open questions, unless it expired
	// before now.
	Get(ctx context.Context, owner mcptasks.Owner, id string, now time.Time) (*mcptasks.Task, error)

	// GetMany is Get of several, in one query. It returns those there are, in any order.
	GetMany(ctx context.Context, names []Name, now time.Time) ([]*mcptasks.Task, error)

	// List returns the tasks that match and have not expired before now, by id,
	// descending, which is newest first, without outcomes and questions.
	List(ctx context.Context, filter Filter, now time.Time) ([]*mcptasks.Task, error)
}

// RunDriver is what a Driver does for the runs of tasks.
type RunDriver[TTx any] interface {
	// Claim gives each task its new run token, counts the run and notes its node,
	// for the tasks that are working under the claim's job and whose tool is one of
	// tools. It returns those, with what their earlier runs recorded.
	Claim(ctx context.Context, claims []Fence, tools []string, node string, now time.Time) ([]*Claimed, error)

	// ToolOf returns the tool of the working task whose job this is.
	ToolOf(ctx context.Context, taskID string, jobID int64) (string, error)

	// Held returns the tokens of those runs whose fence holds. It changes nothing.
	Held(ctx context.Context, runs []Fence) ([]string, error)

	// Report sets progress and message, and returns the ids of the tasks whose
	// fence held.
	Report(ctx context.Context, reports []Report, now time.Time) ([]string, error)

	// SaveStep records a step's result, with the run's node and number, and sets
	// recoveries to zero, unless the task has maxSteps steps and none of this key.
	// It returns the result that is recorded under the key now, nil if there is
	// none, and whether the fence held.
	SaveStep(ctx context.Context, step Step, maxSteps int, now time.Time) (result json.RawMessage, held bool, err error)

	// Park locks the task under the fence, adds those questions whose key is new,
	// or was answered before it was asked, and returns how many questions the task has, how many of them are open, and
	// whether the fence held. If any is open, the task is set to input_required, its
	// job_id and run_token are cleared, and an event of kind EventParked is added
	// with the run's node and the detail.
	Park(ctx context.Context, tx TTx, fence Fence, questions []Asked, detail string, now time.Time) (all, open int, held bool, err error)

	// FailAttempts counts an error of the handler, sets the message and, unless it is "",
	// the trace context, drops the run token and adds the event. It returns the ids
	// of the tasks whose fence held.
	FailAttempts(ctx context.Context, failed []FailedAttempt, now time.Time) ([]string, error)

	// Finish ends tasks with their outcome, sets finished_at to now and
	// expires_at to the later of created_at + ttl and now + retention, clears
	// job_id and run_token, and adds the event if there is one. It returns the
	// ids of the tasks whose fence held. It also
	// completes those of their jobs that are running and that no other transaction has
	// locked, and returns these.
	Finish(ctx context.Context, ends []Finish, now time.Time, retention time.Duration) (ids []string, completed []int64, err error)
}

// LockDriver is what a Driver does to one task that is locked first, by any
// other than its run. The changes are guarded by the lock, not by a fence.
type LockDriver[TTx any] interface {
	// LockOwned locks the owner's task until tx ends, unless it expired before now.
	LockOwned(ctx context.Context, tx TTx, owner mcptasks.Owner, id string, now time.Time) (*Locked, error)

	// Lock locks the task. With nowait it returns ErrBusy if another transaction
	// has the task locked, instead of waiting. After that, tx can only be rolled back.
	Lock(ctx context.Context, tx TTx, id string, nowait bool) (*Locked, error)

	// Questions returns all the task's questions by key.
	Questions(ctx context.Context, tx TTx, id string) (map[string]mcptasks.Question, error)

	// Answer stores the response to an open question, and sets the task's
	// recoveries to zero.
	Answer(ctx context.Context, tx TTx, id, key string, response json.RawMessage, now time.Time) error

	// ExpireQuestions marks the open questions whose deadline is before now, and
	// returns how many there were.
	ExpireQuestions(ctx context.Context, tx TTx, id string, now time.Time) (int, error)

	// Requeue makes a task that is not terminal working under the job, drops its
	// run token, sets recoveries and, unless it is "", the trace context, and adds
	// the event if there is one.
	Requeue(ctx context.Context, tx TTx, id string, jobID int64, recoveries int, traceContext string, event Event, now time.Time) error

	// End ends a task that is not terminal, as Finish does.
	End(ctx context.Context, tx TTx, end Finish, now time.Time, retention time.Duration) error

	// Delete removes the task with all its rows.
	Delete(ctx context.Context, tx TTx, id string) error

	// JobState locks the River job until tx ends and returns its state and who
	// last began to work it ("" if no node did), if its arguments name the task.
	JobState(ctx context.Context, tx TTx, jobID int64, taskID string) (state, node string, err error)

	// DiscardJob moves the River job from running to discarded, if its node still
	// holds it and it is no working task's.
	DiscardJob(ctx context.Context, tx TTx, job Job, now time.Time) error

	// CountEvents returns how many events of the kind the task has.
	CountEvents(ctx context.Context, tx TTx, id, kind string) (int, error)
}

// SweepDriver finds the tasks that have to be changed. It locks nothing: the caller locks
// each task and decides by the locked row. Each returns at most limit ids.
type SweepDriver[TTx any] interface {
	// Overdue returns live tasks whose deadline is before now.
	Overdue(ctx context.Context, now time.Time, limit int) ([]string, error)

	// Unanswered returns tasks with an open question whose deadline is before now.
	Unanswered(ctx context.Context, now time.Time, limit int) ([]string, error)

	// Broken returns working tasks unchanged since before whose job is gone,
	// completed, cancelled or discarded, and input_required tasks without an open
	// question.
	Broken(ctx context.Context, before time.Time, limit int) ([]string, error)

	// IsBroken says whether Broken would return the task, whenever it changed.
	IsBroken(ctx context.Context, id string) (bool, error)

	// AnalyzeJobs has the database look how large the table of River's jobs is, if it
	// has become several times as large as the database knows, and returns whether it
	// has.
	AnalyzeJobs(ctx context.Context) (outgrown bool, err error)

	// DeleteExpired removes tasks that expired before now, with all their rows,
	// skipping locked ones, and returns how many.
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}

// NodeDriver is the life of nodes, by the database's clock. River's attempted_by
// names them: its last element is the node that holds a running job.
type NodeDriver interface {
	// Heartbeat records that the node lives, on a connection of its own, and returns the
	// time at which it did, by the database's clock.
	Heartbeat(ctx context.Context, node Node) (at time.Time, err error)

	// Forget removes nodes: the one of that id, or all if it is "".
	Forget(ctx context.Context, nodeID string) error

	// Prune removes nodes that have not beaten for age and hold no running job.
	Prune(ctx context.Context, age time.Duration) error

	// Orphans returns jobs of working tasks that are running under a node that is
	// absent or has sent no heartbeat for lease. A heartbeat that is further than that
	// in the future does not count: it is from before the database's clock was set back.
	Orphans(ctx context.Context, lease time.Duration, limit int) ([]Job, error)

	// Leftovers returns jobs of ours that are no working task's and are running
	// under a node that is absent or has not beaten for age.
	Leftovers(ctx context.Context, age time.Duration, limit int) ([]Job, error)

	// RunningOn returns the jobs of ours that are running under the node.
	RunningOn(ctx context.Context, nodeID string) ([]Job, error)
}

// NotifyDriver carries the ids of changed tasks between the processes of a database; see
// [notify.Database]. Where the database has no means for that, both methods do nothing.
type NotifyDriver interface {
	// NotifyChanged notifies every process that listens that the tasks have changed.
	NotifyChanged(ctx context.Context, ids []string) error

	// Listen calls changed with the ids that any process notifies of, on a connection
	// of its own, until ctx ends or the connection fails, and returns the error of
	// either. It calls ready once, when it listens.
	Listen(ctx context.Context, ready func(), changed func(ids []string)) error
}

// OperatorDriver is what a Driver reads for the operator, past owners. It locks
// nothing. Ages are by the database's clock.
type OperatorDriver interface {
	// OwnerOf returns whose the task is, also of an expired one.
	OwnerOf(ctx context.Context, id string) (mcptasks.Owner, error)

	// Show returns all that is stored of the task, as of one moment, also of an
	// expired one.
	Show(ctx context.Context, id string) (*Shown, error)

	// Nodes returns the nodes by id.
	Nodes(ctx context.Context) ([]NodeSeen, error)

	// Server returns the database's clock, and the connections to its server.
	Server(ctx context.Context) (clock time.Time, connections Connections, err error)

	// Live returns how many tasks there are in each status that is not terminal.
	Live(ctx context.Context) (map[mcptasks.Status]int, error)

	// Waiting returns the jobs of working tasks that are due and not running, by
	// queue and tool. A job is due when its time has come, and as long as its task
	// has not been claimed at all since the job was inserted; such a one waits from
	// then on, any other from when its time had come.
	Waiting(ctx context.Context) ([]Waiting, error)

	// Taskless returns unfinished jobs of ours that are no working task's, oldest
	// first: those that were inserted and last fetched more than age ago, and whose
	// task, if there is one, is unchanged since before.
	Taskless(ctx context.Context, age time.Duration, before time.Time, limit int) ([]Job, error)
}

// Exclusive is what a Driver offers besides when one process at a time works
// its database: the holder of the lock knows that no other run is alive.
type Exclusive interface {
	// LockWorker acquires the lock, and fails at once if another process holds it.
	LockWorker() (unlock func() error, err error)
}
