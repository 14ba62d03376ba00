// Package service is what all rooms of mcpserver share: the tools, the Runner that keeps
// their tasks, who owns a request, and what a client hears of an error. It knows neither
// HTTP nor a generation of the protocol.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// Service is one call of Mount. Safe for concurrent use.
type Service struct {
	mcptasks.Runner
	Tools *mcptasks.Tools
	Log   *slog.Logger

	// OwnerFunc is the program's; nil means the user of the verified token.
	OwnerFunc func(ctx context.Context, req mcp.Request) (mcptasks.Owner, error)
}

// Owner returns the owner of the tasks that the request makes and may see. If the owner
// cannot be determined, the request fails: it must not be anonymous by mistake.
func (s *Service) Owner(ctx context.Context, req mcp.Request) (mcptasks.Owner, error) {
	var owner mcptasks.Owner
	var err error
	if s.OwnerFunc != nil {
		owner, err = s.OwnerFunc(ctx, req)
	} else if extra := req.GetExtra(); extra != nil {
		owner, err = tokenUser(extra.TokenInfo)
	}
	return s.checkOwner(ctx, owner, err)
}

// TokenOwner returns the owner if the verified token alone decides it. If ok is false,
// it takes the program's function; see Owner.
func (s *Service) TokenOwner(ctx context.Context, token *auth.TokenInfo) (owner mcptasks.Owner, ok bool, err error) {
	if s.OwnerFunc != nil {
		return "", false, nil
	}
	owner, err = tokenUser(token)
	owner, err = s.checkOwner(ctx, owner, err)
	return owner, err == nil, err
}

func (s *Service) checkOwner(ctx context.Context, owner mcptasks.Owner, err error) (mcptasks.Owner, error) {
	if err != nil {
		s.Log.WarnContext(ctx, "mcptasks: a request was rejected because its owner is not known", "error", err)
		return "", &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the request's owner could not be determined"}
	}
	return owner, nil
}

func tokenUser(token *auth.TokenInfo) (mcptasks.Owner, error) {
	switch {
	case token == nil:
		return "", nil
	case token.UserID == "":
		return "", errors.New("the verified token names no user; set Options.Owner")
	}
	return mcptasks.Owner(token.UserID), nil
}

// ErrGone is for a client that has gone away, if it should hear of it after all.
var ErrGone = &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the wait was ended; ask again"}

// Error returns what a client hears of an error. It hears what it can act on, in the same
// words for every task that it may not see. Of other errors it hears only that there was
// one; the log has the rest.
func (s *Service) Error(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, mcptasks.ErrNotFound):
		return mcpwire.InvalidParams(mcptasks.ErrNotFound.Error())
	case errors.Is(err, mcptasks.ErrInvalid), errors.Is(err, mcptasks.ErrLimit):
		var ours *mcptasks.Error
		if errors.As(err, &ours) {
			err = ours.Err
		}
		return mcpwire.InvalidParams(err.Error())
	default:
		if ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "mcptasks: a request failed", "error", err)
		}
		return mcpwire.ErrInternal
	}
}

// CheckResult returns an error for a task whose result the SDK could not send: it would
// not answer at all.
func CheckResult(task *mcptasks.Task) error {
	if o := task.Outcome; o != nil && o.Error == nil && !json.Valid(o.Result) {
		return errors.New("the stored result is not JSON")
	}
	return nil
}

// MayList reports whether tasks/list is offered to the owner. Requests without an owner
// would see each other's tasks.
func MayList(owner mcptasks.Owner) bool { return owner != "" }

// WaitAfterFailedRead logs the failed read of a task that is watched for its client, and
// waits a second, so that a read that keeps failing is not repeated at once.
func (s *Service) WaitAfterFailedRead(ctx context.Context, id string, err error) {
	s.Log.WarnContext(ctx, "mcptasks: a task could not be watched for its client; trying again", "task_id", id, "error", err)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}
