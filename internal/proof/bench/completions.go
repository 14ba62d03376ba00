//go:build unix

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// completions tells callers in memory, after the commit, that their task has ended. It
// costs the database nothing, so only the writes are compared. A task may end before
// its caller waits for it.
type completions struct {
	mu    sync.Mutex
	early map[string]struct{}
	waits map[string]chan struct{}
}

func newCompletions() *completions {
	return &completions{early: make(map[string]struct{}), waits: make(map[string]chan struct{})}
}

func (e *completions) announce(ids ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		if wait, ok := e.waits[id]; ok {
			delete(e.waits, id)
			close(wait)
			continue
		}
		e.early[id] = struct{}{}
	}
}

func (e *completions) wait(ctx context.Context, id string) error {
	e.mu.Lock()
	if _, ok := e.early[id]; ok {
		delete(e.early, id)
		e.mu.Unlock()
		return nil
	}
	ended := make(chan struct{})
	e.waits[id] = ended
	e.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(waitLimit):
		return fmt.Errorf("the task %s has not ended within %s", id, waitLimit)
	}
}

// announcing is our driver. It announces each task that it has finished.
type announcing struct {
	*postgres.Driver
	completions *completions
}

func (t announcing) Finish(ctx context.Context, finishes []driver.Finish, now time.Time, retention time.Duration) ([]string, []int64, error) {
	ids, completed, err := t.Driver.Finish(ctx, finishes, now, retention)
	if err == nil {
		t.completions.announce(ids...)
	}
	return ids, completed, err
}
