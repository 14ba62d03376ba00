package mcpserver

import (
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// poll does in the lane what middleware, serveTasks and get do otherwise. It returns
// the answer behind the head.
func (m *mount) poll(req *http.Request, get *mcpwire.Get, known known, head string) ([]byte, error) {
	if !known.declares {
		return nil, missingCapability()
	}
	ctx := req.Context()
	owner, err := m.pollOwner(req, get)
	if err != nil {
		return nil, err
	}
	task, err := m.runner.Get(ctx, owner, string(get.TaskID))
	if err != nil {
		return nil, m.rpcError(ctx, err)
	}
	const rest = 640 // bytes are enough for most of what is not the result
	size := rest
	if task.Outcome != nil {
		size += len(task.Outcome.Result)
	}
	answer, err := mcpwire.AppendDetailed(append(make([]byte, 0, size), head...), get.ID, known.meta, task)
	if err != nil {
		return nil, m.rpcError(ctx, &mcptasks.Error{Op: "get", TaskID: task.ID, Err: err})
	}
	return answer, nil
}

// pollOwner asks Options.Owner with what the SDK would give it, but a session: there
// is none.
func (m *mount) pollOwner(req *http.Request, get *mcpwire.Get) (mcptasks.Owner, error) {
	ctx := req.Context()
	token := auth.TokenInfoFromContext(ctx)
	if m.ownerIsUser {
		owner, err := tokenUser(token)
		return m.checked(ctx, owner, err)
	}
	params := &mcpwire.TaskParams{TaskID: string(get.TaskID)}
	if err := decode(get.Meta, &params.Meta); err != nil {
		return m.checked(ctx, "", err)
	}
	return m.owner(ctx, &mcp.ServerRequest[*mcpwire.TaskParams]{
		Session: new(mcp.ServerSession), // one each: a program may remember by it who sent the request
		Params:  params,
		Extra: &mcp.RequestExtra{
			TokenInfo: token, Header: req.Header.Clone(), CloseSSEStream: func(mcp.CloseSSEStreamArgs) {},
		},
	})
}

// How an answer is wrapped where it is the one event of a stream.
const (
	eventHead = "event: message\ndata: "
	eventTail = "\n\n"
)

func (l *lane) head() string {
	if l.options.JSONResponse {
		return ""
	}
	return eventHead
}

// write sends the answer, or the error. Errors that have an HTTP status are sent with
// it, and in no stream.
func (l *lane) write(w http.ResponseWriter, get *mcpwire.Get, answer []byte, failed error) {
	status, stream := http.StatusOK, !l.options.JSONResponse
	if failed != nil {
		refusal := internalError
		errors.As(failed, &refusal)
		head := l.head()
		switch refusal.Code {
		case jsonrpc.CodeInvalidParams, mcp.CodeMissingRequiredClientCapabilities:
			status, stream, head = http.StatusBadRequest, false, ""
		}
		answer = mcpwire.AppendError([]byte(head), get.ID, refusal)
	}
	contentType := "application/json"
	if stream {
		contentType = "text/event-stream"
		answer = append(answer, eventTail...)
	}
	values := []string{"no-cache, no-transform", contentType, "keep-alive"}
	header := w.Header()
	header["Cache-Control"], header["Content-Type"] = values[0:1:1], values[1:2:2]
	if !l.options.JSONResponse {
		header["Connection"] = values[2:3:3]
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the client has gone; there is nobody to tell
}
