package store

import (
	"context"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks/internal/notify"
)

// completedJobs are those that a finish has completed together with their task, and of
// which River does not know that yet. Its completer is about to do the same, for which
// it finds, joins and reads each job once more: as much work as to fetch and to claim it.
// A job that is not here, since its finish was not heard of or somebody had it locked,
// is completed by River.
type completedJobs struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

func (c *completedJobs) add(ids []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = make(map[int64]struct{})
	}
	for _, id := range ids {
		c.ids[id] = struct{}{}
	}
}

// rest returns what there is left to do of what River is about to do. The jobs are
// asked for once: River has then done with them.
func (c *completedJobs) rest(all *riverdriver.JobSetStateIfRunningManyParams) *riverdriver.JobSetStateIfRunningManyParams {
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

// workDriver is River's driver for the client that works: its completer passes over
// completed jobs, and its listener, if there is a notifier, is notified of this
// process's jobs directly.
type workDriver[TTx any] struct {
	riverdriver.Driver[TTx]
	completed *completedJobs
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
	completed *completedJobs
}

// JobSetStateIfRunningMany implements riverdriver.Executor. It returns no row of a
// completed job: River would tell its subscribers of them, and our client has none.
func (e workExecutor) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	params = e.completed.rest(params)
	if len(params.ID) == 0 {
		return nil, nil
	}
	return e.Executor.JobSetStateIfRunningMany(ctx, params)
}
