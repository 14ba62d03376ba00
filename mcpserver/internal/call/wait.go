package call

import (
	"cmp"
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/session"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// handle answers a client that declares tasks: with the task's result if the task ends
// within the wait, otherwise with its handle. It answers at once when the task asks
// something: only the client can answer that.
func (c *Calls) handle(ctx context.Context, req mcp.Request, task *mcptasks.Task, wait time.Duration) (mcp.Result, error) {
	if wait > 0 {
		now, err := c.wait(ctx, sideband.FromContext(ctx).Owner, task, wait, endedOrAsks, nil)
		if err != nil {
			c.service.Log.WarnContext(ctx, "mcptasks: a task could not be waited for; its client gets the handle", "task_id", task.ID, "error", err)
		}
		if now != nil && ended(now) {
			return c.result(ctx, req, now)
		}
		task = cmp.Or(now, task)
	}
	return mcpwire.Handle(task), nil
}

func ended(task *mcptasks.Task) bool { return task.Status.Terminal() }

// endedOrAsks reports whether the task has ended or waits for an answer.
func endedOrAsks(task *mcptasks.Task) bool {
	return ended(task) || task.Status == mcptasks.StatusInputRequired
}

// wait returns the task when until is true of it. It returns nil if that is not so within
// the limit, or before the client goes away. It returns an error if it could not watch the
// task. If s is not nil, it asks the session's client what the task asks, on the stream of
// its call. The time of the client's questions does not count.
func (c *Calls) wait(ctx context.Context, owner mcptasks.Owner, task *mcptasks.Task, limit time.Duration,
	until func(*mcptasks.Task) bool, s *session.Session,
) (*mcptasks.Task, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	if client := sideband.FromContext(ctx).ClientContext(); client != nil {
		defer context.AfterFunc(client, stop)()
	}
	timer := session.NewCallTimer(limit, stop)
	defer timer.Stop()
	var asking *session.Session
	if s != nil {
		defer context.AfterFunc(s.Context(), stop)()
		defer s.Waits(owner, task.ID)()
		asking = s.ForCall(timer)
		defer asking.Forget(task.ID)
	}
	for now, err := range c.service.Watch(waiting, owner, task.ID) {
		switch {
		case err != nil && waiting.Err() != nil:
			return nil, nil //nolint:nilnil // the wait is over
		case err != nil:
			return nil, err
		case until(now):
			return now, nil
		}
		if asking != nil {
			asking.Withdraw(now)
			asking.Ask(ctx, owner, now, nil)
		}
	}
	return nil, nil //nolint:nilnil // not within the wait
}

// result returns the answer to a client that waited for the task.
func (c *Calls) result(ctx context.Context, req mcp.Request, task *mcptasks.Task) (mcp.Result, error) {
	outcome := task.Outcome
	if outcome == nil {
		outcome = textOutcome("The task was cancelled.", true)
	}
	if outcome.Error != nil {
		return nil, outcome.Error
	}
	answer, err := mcpwire.NewCallResult(outcome.Result, mcpwire.GenerationOf(req) == mcpwire.TasksExtension)
	if err != nil {
		return nil, c.service.Error(ctx, err)
	}
	return answer, nil
}
