package riverdb

import (
	"context"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks/internal/notify"
)

// CompletedJobs are the jobs that a finish has completed together with their task, and
// that River is still to complete. Its completer would look for, lock and read each of
// them once more, which is as much work as fetching and claiming it. A job that is not
// here, because the reply to its finish was lost or another transaction had it locked, is
// completed by River. Safe for concurrent use; the zero value is empty.
type CompletedJobs struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

// Add adds jobs that are completed.
func (c *CompletedJobs) Add(ids []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = make(map[int64]struct{})
	}
	for _, id := range ids {
		c.ids[id] = struct{}{}
	}
}

// remaining returns what River still has to do of what it is about to do, and forgets
// these jobs: River asks once for each.
func (c *CompletedJobs) remaining(all *riverdriver.JobSetStateIfRunningManyParams) *riverdriver.JobSetStateIfRunningManyParams {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := &riverdriver.JobSetStateIfRunningManyParams{Now: all.Now, Schema: all.Schema}
	for i, id := range all.ID {
		_, done := c.ids[id]
		delete(c.ids, id)
		if done && all.State[i] == rivertype.JobStateCompleted && !all.MetadataDoMerge[i] {
			continue
		}
		rest.ID = append(rest.ID, id)
		rest.Attempt = append(rest.Attempt, all.Attempt[i])
		rest.ErrData = append(rest.ErrData, all.ErrData[i])
		rest.FinalizedAt = append(rest.FinalizedAt, all.FinalizedAt[i])
		rest.MetadataDoMerge = append(rest.MetadataDoMerge, all.MetadataDoMerge[i])
		rest.MetadataUpdates = append(rest.MetadataUpdates, all.MetadataUpdates[i])
		rest.ScheduledAt = append(rest.ScheduledAt, all.ScheduledAt[i])
		rest.State = append(rest.State, all.State[i])
	}
	return rest
}

// NewWorkDriver returns River's driver for a client that works jobs. Its completer skips
// completed jobs. With a notifier, its listener also gets the jobs of this process from
// there, without the detour through the database; nil: it does not.
func NewWorkDriver[TTx any](driver riverdriver.Driver[TTx], completed *CompletedJobs, notifier *notify.Notifier) riverdriver.Driver[TTx] {
	return workDriver[TTx]{driver, completed, notifier}
}

type workDriver[TTx any] struct {
	riverdriver.Driver[TTx]
	completed *CompletedJobs
	notifier  *notify.Notifier
}

// GetListener implements riverdriver.Driver.
func (d workDriver[TTx]) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	listener := d.Driver.GetListener(params)
	if d.notifier == nil {
		return listener
	}
	return &workListener{Listener: listener, notifier: d.notifier}
}

// GetExecutor implements riverdriver.Driver.
func (d workDriver[TTx]) GetExecutor() riverdriver.Executor {
	return workExecutor{d.Driver.GetExecutor(), d.completed}
}

type workExecutor struct {
	riverdriver.Executor
	completed *CompletedJobs
}

// JobSetStateIfRunningMany implements riverdriver.Executor. It returns no row of a
// completed job: River passes rows to subscribers, and our client has none.
func (e workExecutor) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	params = e.completed.remaining(params)
	if len(params.ID) == 0 {
		return nil, nil
	}
	return e.Executor.JobSetStateIfRunningMany(ctx, params)
}
