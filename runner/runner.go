package runner

import (
	"context"
	"encoding/json"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// Runner is a [Node] on a driver of the program's. Its methods whose names end in Tx work
// in a transaction of the program's: TTx is pgx.Tx or *sql.Tx.
type Runner[TTx any] struct {
	*Node
	store *taskstore.Store[TTx]
}

// Driver is a database on the program's own pool, made by store/postgres.New, or a file,
// opened by store/sqlite.Open. TTx is the type of its transactions: pgx.Tx or *sql.Tx.
// Only this module can implement it.
type Driver[TTx any] = driver.Driver[TTx]

// New returns a runner on a driver, for the tools: store/postgres.New makes one of the
// program's pool, store/sqlite.Open one of a file. The driver stays the program's to
// close. New returns an error that says what to do if the schema is older or newer than
// this release's.
func New[TTx any](ctx context.Context, driver Driver[TTx], tools *mcptasks.Tools, config *Config) (*Runner[TTx], error) {
	if err := checkTools(tools); err != nil {
		return nil, err
	}
	cfg, err := config.resolve()
	if err != nil {
		return nil, err
	}
	notifier := notify.New(cfg.Logger)
	tasks, err := taskstore.New(driver, cfg, notifier)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, tasks, cfg.Migrate); err != nil {
		return nil, err
	}
	notifier.Start(tasks, !cfg.PollOnly)
	return &Runner[TTx]{Node: newNode(tasks, tools, cfg, notifier), store: tasks}, nil
}

// CreateTx is Create in the caller's transaction: the task and its job exist once it
// commits, and not at all if it is rolled back. Do not give away the task's id before the
// commit.
func (r *Runner[TTx]) CreateTx(ctx context.Context, tx TTx, owner mcptasks.Owner, params mcptasks.CreateParams) (*mcptasks.Task, error) {
	call, err := r.newTask(owner, params)
	if err != nil {
		return nil, err
	}
	tasks, err := r.store.CreateTx(ctx, tx, []taskstore.NewTask{call})
	if err != nil {
		return nil, err
	}
	return tasks[0], nil
}

// AnswerTx is Answer in the caller's transaction.
func (r *Runner[TTx]) AnswerTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) error {
	return r.store.AnswerTx(ctx, tx, owner, id, responses)
}

// CancelTx is Cancel in the caller's transaction. It returns ErrTerminal if the task has
// ended. The run's context ends at once after the commit; if the run's
// process misses the notification, within five seconds.
func (r *Runner[TTx]) CancelTx(ctx context.Context, tx TTx, owner mcptasks.Owner, id string) error {
	return r.store.CancelTx(ctx, tx, owner, id)
}
