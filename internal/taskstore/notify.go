package taskstore

import (
	"context"

	"github.com/riverqueue/river/riverdriver"

	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// This file is how the store notifies: the Notifier after a commit, which sends many
// notifications together, or River's workers within a transaction.
//
// River's client would notify within each insert's transaction, and Postgres commits
// such transactions one by one: the workers are notified of creates after their commit.
// SQLite has one writer, for which a notification of its own is one more commit: there
// the transaction of a create notifies, too. And since the one process that works the
// file would look for notifications every 50 ms only, it is notified of its own jobs
// directly.

// jobsReady notifies the workers of a create's job that has been committed.
func (s *Store[TTx]) jobsReady(queue string) {
	if s.exclusive {
		s.notifier.JobsReadyHere(queue)
	} else {
		s.notifier.JobsReady(queue)
	}
}

// NotifyJobs implements [notify.Database].
func (s *Store[TTx]) NotifyJobs(ctx context.Context, queues []string) error {
	if err := s.notifyJobs(ctx, s.driver.River().GetExecutor(), queues); err != nil {
		return wrap("notify", "", err)
	}
	return nil
}

// notifyJobsTx notifies the workers of the queues when tx commits.
func (s *Store[TTx]) notifyJobsTx(ctx context.Context, tx TTx, queues []string) error {
	return s.notifyJobs(ctx, s.driver.River().UnwrapExecutor(tx), queues)
}

func (s *Store[TTx]) notifyJobs(ctx context.Context, executor riverdriver.Executor, queues []string) error {
	if !s.driver.River().SupportsListenNotify() || len(queues) == 0 {
		return nil
	}
	return executor.NotifyMany(ctx, riverdb.JobNotifications(s.driver.Schema(), queues))
}

// NotifyChanged implements [notify.Database].
func (s *Store[TTx]) NotifyChanged(ctx context.Context, ids []string) (err error) {
	defer s.op(ctx, telemetry.OpNotify, len(ids)).end(&err)
	if err := s.driver.NotifyChanged(ctx, ids); err != nil {
		return wrap("notify", "", err)
	}
	return nil
}

// Listen implements [notify.Database].
func (s *Store[TTx]) Listen(ctx context.Context, ready func(), changed func(ids []string)) error {
	if err := s.driver.Listen(ctx, ready, changed); err != nil {
		return wrap("listen", "", err)
	}
	return nil
}
