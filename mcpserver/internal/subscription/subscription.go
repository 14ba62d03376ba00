// Package subscription serves what the SDK drops of subscriptions/listen: subscriptions to
// tasks (SEP-2663, protocol 2026-07-28). It pushes each task as it is now and after each
// change. It knows no sessions: such a request stands alone.
package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// maxTasks limits the tasks of one subscription. The acknowledgement names no more.
const maxTasks = 1000

// A subscription is the part of a subscriptions/listen that the SDK drops.
type subscription struct {
	service *service.Service
	owner   mcptasks.Owner
	taskIDs []string // those that the owner may see
	side    *sideband.Sideband
	pushing sync.WaitGroup
}

// subscriptionKey is where the context of a subscriptions/listen has its subscription. The
// SDK passes it on to the acknowledgement.
type subscriptionKey struct{}

// Listen serves subscriptions/listen. The SDK serves what it knows of it. It would end a
// subscription to nothing that it knows; one that has tasks goes on until the client goes.
func Listen(ctx context.Context, svc *service.Service, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	side := sideband.FromContext(ctx).Sideband
	if side == nil || side.Notify == nil || mcpwire.IsNull(side.TaskIDs) || mcpwire.GenerationOf(req) != mcpwire.TasksExtension {
		return next(ctx, mcpwire.MethodListen, req)
	}
	if !mcpwire.Declares(req) {
		return nil, mcpwire.MissingCapability()
	}
	var asked []string
	if mcpwire.Decode(side.TaskIDs, &asked) != nil {
		return nil, mcpwire.InvalidParams(`"taskIds" is not a list of strings`)
	}
	owner, err := svc.Owner(ctx, req)
	if err != nil {
		return nil, err
	}
	s := &subscription{service: svc, owner: owner, taskIDs: []string{}, side: side}
	if err := s.resolve(ctx, asked); err != nil {
		return nil, svc.Error(ctx, err)
	}

	ctx, stop := context.WithCancel(ctx)
	defer s.pushing.Wait()
	defer stop()
	result, err := next(context.WithValue(ctx, subscriptionKey{}, s), mcpwire.MethodListen, req)
	if err == nil && len(s.taskIDs) > 0 {
		<-ctx.Done()
	}
	return result, err
}

// resolve keeps the ids of tasks that the owner may see, each once.
func (s *subscription) resolve(ctx context.Context, asked []string) error {
	seen := make(map[string]bool)
	for _, id := range asked {
		if seen[id] || len(seen) >= maxTasks {
			continue
		}
		seen[id] = true
		_, err := s.service.Get(ctx, s.owner, id)
		switch {
		case err == nil:
			s.taskIDs = append(s.taskIDs, id)
		case !errors.Is(err, mcptasks.ErrNotFound):
			return err
		}
	}
	return nil
}

// Sending is the sending middleware that adds the tasks to the SDK's acknowledgement. That
// is the first message of the subscription: tasks are pushed after it.
func Sending(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		s, ok := ctx.Value(subscriptionKey{}).(*subscription)
		if !ok || method != mcpwire.NotificationAcknowledged {
			return next(ctx, method, req)
		}
		params, ok := req.GetParams().(*mcp.SubscriptionsAcknowledgedParams)
		session, isServer := req.GetSession().(*mcp.ServerSession)
		if !ok || !isServer || params == nil {
			return next(ctx, method, req)
		}
		result, err := next(ctx, method, &mcp.ServerRequest[*mcpwire.Acknowledged]{
			Session: session, Params: mcpwire.NewAcknowledged(params, s.taskIDs), Extra: req.GetExtra(),
		})
		if err == nil {
			for _, id := range s.taskIDs {
				s.pushing.Go(func() { s.push(ctx, id) })
			}
		}
		return result, err
	}
}

// push notifies of the task, as it is now and after each change, until it has ended.
func (s *subscription) push(ctx context.Context, id string) {
	for ctx.Err() == nil {
		for task, err := range s.service.Watch(ctx, s.owner, id) {
			if err == nil {
				err = service.CheckResult(task)
			}
			switch {
			case errors.Is(err, mcptasks.ErrNotFound) || ctx.Err() != nil:
				return
			case err != nil:
				s.service.WaitAfterFailedRead(ctx, id, err)
			default:
				_ = s.side.Notify(mcpwire.NotificationTask, mcpwire.NewNotification(task, subscriptionID(s.side.ID))) // ctx ends with the stream
				if task.Status.Terminal() {
					return
				}
			}
		}
	}
}

// subscriptionID returns the request's id. The SDK has rejected a request without a valid
// one.
func subscriptionID(id json.RawMessage) json.RawMessage {
	if len(id) == 0 {
		return json.RawMessage("null")
	}
	return id
}
