package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/riverqueue/river/riverdriver"
)

// insertTopic is where River's producers hear that their queue has jobs, whichever
// client inserted them; the payload is River's own. River's client would notify
// within each insert's transaction, and Postgres commits such transactions one by
// one: creates are rung for after their commit, many with one bell. SQLite has one
// writer, for which a bell of its own is one more commit: there the flush rings, and
// since the one process that works the file would look for that every 50 ms alone, it
// hears of its own creates and answers directly.
const insertTopic = "river_insert"

// ringLater tells workers of a create's job that has been committed: soon, or where the
// create has rung itself at once those of this process.
func (s *Store[TTx]) ringLater(queue string) {
	if s.ringsAfter {
		s.hooks.Queued(queue)
	} else {
		s.listeners.ring(queue)
	}
}

// Ring tells the workers of the queues that there are jobs. It is called after these
// were committed.
func (s *Store[TTx]) Ring(ctx context.Context, queues []string) error {
	if err := s.ring(ctx, s.driver.River().GetExecutor(), queues); err != nil {
		return wrap("ring", "", err)
	}
	return nil
}

// ringTx tells them when tx commits.
func (s *Store[TTx]) ringTx(ctx context.Context, tx TTx, queues []string) error {
	return s.ring(ctx, s.driver.River().UnwrapExecutor(tx), queues)
}

func (s *Store[TTx]) ring(ctx context.Context, executor riverdriver.Executor, queues []string) error {
	if !s.driver.River().SupportsListenNotify() || len(queues) == 0 {
		return nil
	}
	return executor.NotifyMany(ctx, Bell(s.driver.Schema(), queues))
}

// Bell is what tells River's workers that there are jobs in the queues.
func Bell(schema string, queues []string) *riverdriver.NotifyManyParams {
	payloads := make([]string, len(queues))
	for i, queue := range queues {
		payloads[i] = bell(queue)
	}
	return &riverdriver.NotifyManyParams{Payload: payloads, Schema: schema, Topic: insertTopic}
}

func bell(queue string) string { return fmt.Sprintf(`{"queue": %q}`, queue) }

// Queues returns the rows' queues, each once.
func Queues(rows []*Row) []string {
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Queue
	}
	slices.Sort(names)
	return slices.Compact(names)
}
