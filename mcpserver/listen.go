package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// maxSubscribed bounds the tasks of one subscription; the acknowledgement names no more.
const maxSubscribed = 1000

// A subscription is the part of a subscriptions/listen that the SDK drops.
type subscription struct {
	m       *mount
	owner   mcptasks.Owner
	taskIDs []string // those that the asker may see
	carrier *carrier
	pushing sync.WaitGroup
}

type subscriptionKey struct{}

// listen serves subscriptions/listen, the tasks in it beside what the SDK serves.
// The SDK ends a subscription to nothing that it knows; this one goes on.
func (m *mount) listen(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	c := contextCarrier(ctx)
	if c == nil || c.notify == nil || isNull(c.taskIDs) || generation(req) != extension {
		return next(ctx, mcpwire.MethodListen, req)
	}
	if !declares(req) {
		return nil, missingCapability()
	}
	var asked []string
	if decode(c.taskIDs, &asked) != nil {
		return nil, invalidParams(`"taskIds" is no list of strings`)
	}
	owner, err := m.owner(ctx, req)
	if err != nil {
		return nil, err
	}
	s := &subscription{m: m, owner: owner, taskIDs: []string{}, carrier: c}
	if err := s.agree(ctx, asked); err != nil {
		return nil, m.rpcError(ctx, err)
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

// agree keeps, once each, the ids of tasks that the owner may see.
func (s *subscription) agree(ctx context.Context, asked []string) error {
	seen := make(map[string]bool)
	for _, id := range asked {
		if seen[id] || len(seen) >= maxSubscribed {
			continue
		}
		seen[id] = true
		_, err := s.m.runner.Get(ctx, s.owner, id)
		switch {
		case err == nil:
			s.taskIDs = append(s.taskIDs, id)
		case !errors.Is(err, mcptasks.ErrNotFound):
			return err
		}
	}
	return nil
}

// sending adds the tasks to the SDK's acknowledgement. It is the first message of the
// subscription: what is pushed comes after it.
func (m *mount) sending(next mcp.MethodHandler) mcp.MethodHandler {
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

// push tells of the task, as it is now and after each change, until it has ended.
func (s *subscription) push(ctx context.Context, id string) {
	for ctx.Err() == nil {
		for task, err := range s.m.runner.Watch(ctx, s.owner, id) {
			if err == nil {
				err = readable(task)
			}
			switch {
			case errors.Is(err, mcptasks.ErrNotFound) || ctx.Err() != nil:
				return
			case err != nil:
				s.m.readFailed(ctx, id, err)
			default:
				_ = s.carrier.notify(mcpwire.NotificationTask, mcpwire.NewNotification(task, subscriptionID(s.carrier.id))) // ctx ends with the stream
				if task.Status.Terminal() {
					return
				}
			}
		}
	}
}

// subscriptionID is the request's id; one that is none the SDK has refused.
func subscriptionID(id json.RawMessage) json.RawMessage {
	if len(id) == 0 {
		return json.RawMessage("null")
	}
	return id
}
