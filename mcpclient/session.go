package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/wire"
)

// Session is an [mcp.ClientSession] that keeps hold of tasks. A task does not
// belong to the session that started it: its id is all that another session, or
// another process, needs.
//
// Errors are *[mcptasks.Error], and a JSON-RPC error that the server answered with
// is within: [errors.As] finds it. Safe for concurrent use.
type Session struct {
	*mcp.ClientSession
}

// Started is a server's answer to a tools/call: either Task or Result is set.
type Started struct {
	// Task is the task that the call became, as it was at its start.
	Task *Task
	// Result is the answer of a server, or a tool, that made no task.
	Result *mcp.CallToolResult
}

// Start calls a tool and returns when the server has answered, which for a tool
// that became a task is at once: it has only begun. With a server that has no
// tasks Start is [mcp.ClientSession.CallTool]. params are not modified.
//
// If Start returns an error the call may have reached the server all the same.
// Use [mcp.ClientSession.CallTool] only for tools that answer plainly: what it
// returns for a task is an empty success.
func (s *Session) Start(ctx context.Context, params *mcp.CallToolParams) (*Started, error) {
	var p mcp.CallToolParams
	if params != nil {
		p = *params
		p.Meta = maps.Clone(p.Meta) // the SDK writes to it
	}
	var answer answer
	result, err := s.CallTool(withAnswer(ctx, &answer), &p)
	if err != nil {
		return nil, &mcptasks.Error{Op: "start", Err: err}
	}
	if !isHandle(result) {
		return &Started{Result: result}, nil
	}
	task, err := answer.task()
	if err != nil {
		return nil, &mcptasks.Error{Op: "start", Err: err}
	}
	return &Started{Task: task}, nil
}

// Get returns the task as it is now. It returns [mcptasks.ErrNotFound] for an id
// that is unknown to the server, expired, or not this client's.
func (s *Session) Get(ctx context.Context, id string) (*Task, error) {
	if err := s.checkVersion(); err != nil {
		return nil, &mcptasks.Error{Op: "get", TaskID: id, Err: err}
	}
	answer, err := mcp.CallCustomMethod[*wire.TaskParams, *wire.Task](ctx, s.ClientSession, wire.MethodGet, &wire.TaskParams{TaskID: id})
	if err != nil {
		return nil, taskError("get", id, err)
	}
	task, err := newTask(answer)
	if err == nil && task.ID != id {
		err = fmt.Errorf("the server answered with another task, %.100q", task.ID)
	}
	if err != nil {
		return nil, &mcptasks.Error{Op: "get", TaskID: id, Err: err}
	}
	return task, nil
}

// Cancel asks the server to cancel the task. The task may end otherwise before the
// server can: Get tells. To cancel a task that has ended does nothing and is no
// error. Cancel returns [mcptasks.ErrNotFound] where Get does.
func (s *Session) Cancel(ctx context.Context, id string) error {
	if err := s.checkVersion(); err != nil {
		return &mcptasks.Error{Op: "cancel", TaskID: id, Err: err}
	}
	_, err := mcp.CallCustomMethod[*wire.TaskParams, *wire.Ack](ctx, s.ClientSession, wire.MethodCancel, &wire.TaskParams{TaskID: id})
	if err != nil {
		return taskError("cancel", id, err)
	}
	return nil
}

// checkVersion keeps the extension's methods from a server of an older protocol,
// whose methods of the same names speak otherwise.
func (s *Session) checkVersion() error {
	if version := s.InitializeResult().ProtocolVersion; version < wire.ExtensionVersion {
		return fmt.Errorf("%w: the server speaks protocol %s, and tasks need %s", errors.ErrUnsupported, version, wire.ExtensionVersion)
	}
	return nil
}

// taskError is the error of a method whose only parameter is a task's id: a
// refused parameter means that there is no such task.
func taskError(op, id string, err error) error {
	var answered *jsonrpc.Error
	if errors.As(err, &answered) && answered.Code == jsonrpc.CodeInvalidParams {
		err = fmt.Errorf("%w: %w", mcptasks.ErrNotFound, err)
	}
	return &mcptasks.Error{Op: op, TaskID: id, Err: err}
}

// isHandle reports whether the answer to a call was a task's handle. The SDK keeps
// the answer's resultType where only its encoder can see it.
func isHandle(result *mcp.CallToolResult) bool {
	bare := *result
	bare.Meta, bare.Content, bare.StructuredContent, bare.InputRequests = nil, nil, nil, nil
	data, err := json.Marshal(&bare)
	if err != nil {
		return false
	}
	return resultType(data) == resultTypeTask
}
