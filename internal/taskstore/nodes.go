package taskstore

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// BeginWork is called before the first heartbeat of a node. On a database that one process
// at a time works, it acquires the lock for that, or returns an error if another process
// holds it. It then forgets all nodes, which are dead, and recovers their tasks. On other
// databases it does nothing, since other nodes may be alive. The returned function is
// called when the node fetches no more jobs.
func (s *Store[TTx]) BeginWork(ctx context.Context) (end func() error, err error) {
	exclusive, ok := s.driver.(driver.Exclusive)
	if !ok {
		return func() error { return nil }, nil
	}
	unlock, err := exclusive.LockWorker()
	if err != nil {
		return nil, wrap("start", "", err)
	}
	if err = s.driver.Forget(ctx, ""); err == nil {
		_, err = s.Reap(ctx, "", 0, func() bool { return true })
	}
	if err != nil {
		_ = unlock()
		return nil, wrap("start", "", err)
	}
	return unlock, nil
}

// Heartbeat records a heartbeat of the node, and returns its time by the database's clock.
func (s *Store[TTx]) Heartbeat(ctx context.Context, node driver.Node) (at time.Time, err error) {
	defer s.op(ctx, telemetry.OpHeartbeat, 0).end(&err)
	if at, err = s.driver.Heartbeat(ctx, node); err != nil {
		return time.Time{}, wrap("beat", "", err)
	}
	return at, nil
}

// Forget removes a node that has stopped.
func (s *Store[TTx]) Forget(ctx context.Context, nodeID string) error {
	if err := s.driver.Forget(ctx, nodeID); err != nil {
		return wrap("stop", "", err)
	}
	return nil
}

// RunningOn returns the jobs that are running on the node by River's table.
func (s *Store[TTx]) RunningOn(ctx context.Context, nodeID string) ([]driver.Job, error) {
	jobs, err := s.driver.RunningOn(ctx, nodeID)
	if err != nil {
		return nil, wrap("sweep", "", err)
	}
	return jobs, nil
}

// Prune removes nodes that have sent no heartbeat for age and have no running job.
func (s *Store[TTx]) Prune(ctx context.Context, age time.Duration) error {
	if err := s.driver.Prune(ctx, age); err != nil {
		return wrap("sweep", "", err)
	}
	return nil
}
