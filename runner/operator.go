package runner

import (
	"context"
	"iter"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/store"
)

// Operator sees and changes the tasks of all owners. Its methods are safe for
// concurrent use, but for Close; those not listed here are documented with
// [store.Operator].
type Operator struct {
	store.Operator
	news      *news
	interrupt func(taskID string) // ends the run of a cancelled task in this process
	close     func() error
	audit     telemetry.Audit
}

// OpenOperator opens the database at url for an operator alone: it knows no tools,
// works nothing and starts nothing. Of config, nil too, it heeds what concerns the
// database and the tasks. It fails as [Open] does. Close the operator when done.
func OpenOperator(ctx context.Context, url string, config *Config) (*Operator, error) {
	cfg, err := config.resolve()
	if err != nil {
		return nil, err
	}
	backend, news, err := open(ctx, url, cfg)
	if err != nil {
		return nil, err
	}
	return &Operator{
		Operator:  backend.Operator(),
		news:      news,
		interrupt: func(string) {},
		close: func() error {
			news.close()
			return backend.Close()
		},
		audit: telemetry.NewAudit(cfg.Audit),
	}, nil
}

// Operator returns the door past owners, for whoever runs the service: never for
// code that answers clients.
func (n *Node) Operator() *Operator {
	return &Operator{
		Operator:  n.store.Operator(),
		news:      n.news,
		interrupt: func(id string) { n.workers.Cancelled(id, time.Now()) },
		close:     func() error { return nil },
		audit:     n.audit,
	}
}

// Get implements store.Operator.
func (o *Operator) Get(ctx context.Context, id string) (*mcptasks.Task, error) {
	task, err := o.Operator.Get(ctx, id)
	auditRead(ctx, o.audit, task, true)
	return task, err
}

// Show implements store.Operator.
func (o *Operator) Show(ctx context.Context, id string) (*store.Shown, error) {
	shown, err := o.Operator.Show(ctx, id)
	if shown != nil {
		auditRead(ctx, o.audit, shown.Task, true)
	}
	return shown, err
}

// Cancel cancels the task, as a client would; ErrTerminal if it has ended. Its run
// is told as Node.Cancel says.
func (o *Operator) Cancel(ctx context.Context, id string) error {
	err := o.Operator.Cancel(ctx, id)
	if err == nil {
		o.interrupt(id)
	}
	return err
}

// Watch yields the task as Node.Watch does, whoever owns it.
func (o *Operator) Watch(ctx context.Context, id string) iter.Seq2[*mcptasks.Task, error] {
	return o.news.watch(ctx, id, func() (*mcptasks.Task, error) { return o.Get(ctx, id) })
}

// Close closes the database that OpenOperator opened. A node's operator has none of
// its own: Close does nothing.
func (o *Operator) Close() error { return o.close() }
