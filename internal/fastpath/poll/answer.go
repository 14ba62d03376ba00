package poll

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/sdkserver"
)

// Tasks is the fast path's access to the tasks that are mounted on a server.
type Tasks interface {
	// Get returns a task of the owner, as mcptasks.Runner does.
	Get(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error)
	// TokenOwner returns the owner if the verified token alone decides it. If ok is false,
	// the caller must call Owner.
	TokenOwner(ctx context.Context, token *auth.TokenInfo) (owner mcptasks.Owner, ok bool, err error)
	// Owner returns the request's owner.
	Owner(ctx context.Context, req mcp.Request) (mcptasks.Owner, error)
	// Error logs err and returns the error that the client gets.
	Error(ctx context.Context, err error) error
}

// answer returns the prefix and the response to the poll.
func (s *Server) answer(req *http.Request, get *mcpwire.Get, client trusted, prefix string) ([]byte, error) {
	if !client.declares {
		return nil, mcpwire.MissingCapability()
	}
	ctx := req.Context()
	owner, err := s.owner(req, get)
	if err != nil {
		return nil, err
	}
	task, err := s.tasks.Get(ctx, owner, string(get.TaskID))
	if err != nil {
		return nil, s.tasks.Error(ctx, err)
	}
	const envelope = 640 // bytes, enough for most answers without their result
	size := envelope
	if task.Outcome != nil {
		size += len(task.Outcome.Result)
	}
	answer, err := mcpwire.AppendDetailed(append(make([]byte, 0, size), prefix...), get.ID, client.serverMeta, task)
	if err != nil {
		return nil, s.tasks.Error(ctx, &mcptasks.Error{Op: "get", TaskID: task.ID, Err: err})
	}
	return answer, nil
}

// noClient returns a server whose sessions have no client.
var noClient = sync.OnceValue(sdkserver.New)

// owner returns the poll's owner. The program's Owner function gets the request that the SDK
// would give it, but with a session that has no client.
func (s *Server) owner(req *http.Request, get *mcpwire.Get) (mcptasks.Owner, error) {
	ctx := req.Context()
	token := auth.TokenInfoFromContext(ctx)
	if owner, ok, err := s.tasks.TokenOwner(ctx, token); ok || err != nil {
		return owner, err
	}
	params := &mcpwire.TaskParams{TaskID: string(get.TaskID)}
	if err := mcpwire.Decode(get.Meta, &params.Meta); err != nil {
		return "", s.tasks.Error(ctx, err)
	}
	// Each request has its own session: a program may use it as the key of what it stores
	// about the request's sender.
	session, err := noClient().NewSession()
	if err != nil {
		return "", s.tasks.Error(ctx, err)
	}
	defer session.Close()
	return s.tasks.Owner(ctx, &mcp.ServerRequest[*mcpwire.TaskParams]{
		Session: session,
		Params:  params,
		Extra: &mcp.RequestExtra{
			TokenInfo: token, Header: req.Header.Clone(), CloseSSEStream: func(mcp.CloseSSEStreamArgs) {},
		},
	})
}

// An answer that is the only event of a stream is written between this prefix and suffix.
const (
	eventPrefix = "event: message\ndata: "
	eventSuffix = "\n\n"
)

func (p *Path) prefix() string {
	if p.options.JSONResponse {
		return ""
	}
	return eventPrefix
}

// write sends the answer, or the error. An error that the SDK sends with an HTTP status
// other than 200 is not sent as a stream.
func (p *Path) write(w http.ResponseWriter, get *mcpwire.Get, answer []byte, failed error) {
	status, stream := http.StatusOK, !p.options.JSONResponse
	if failed != nil {
		rejection := mcpwire.ErrInternal
		errors.As(failed, &rejection)
		prefix := p.prefix()
		switch rejection.Code {
		case jsonrpc.CodeInvalidParams, mcp.CodeMissingRequiredClientCapabilities:
			status, stream, prefix = http.StatusBadRequest, false, ""
		}
		answer = mcpwire.AppendError([]byte(prefix), get.ID, rejection)
	}
	contentType := "application/json"
	if stream {
		contentType = "text/event-stream"
		answer = append(answer, eventSuffix...)
	}
	values := []string{"no-cache, no-transform", contentType, "keep-alive"}
	header := w.Header()
	header["Cache-Control"], header["Content-Type"] = values[0:1:1], values[1:2:2]
	if !p.options.JSONResponse {
		header["Connection"] = values[2:3:3]
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // if this fails, the client has gone
}
