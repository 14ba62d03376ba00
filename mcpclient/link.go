package mcpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/internal/wire"
)

// A link is one connection to the server. A session has one after the other.
type link struct {
	*mcp.ClientSession
	tasks *coreCapability // nil: the server has no tasks of 2025-11-25

	mu     sync.Mutex
	asTask map[string]bool // whether a tool is to be called as a task, of 2025-11-25
}

// dial opens a link, and hears what the server says of tasks that the SDK does not
// know.
func (c *Client) dial(ctx context.Context, transport mcp.Transport, opts *mcp.ClientSessionOptions) (*link, error) {
	greeting := &answer{method: wire.MethodInitialize}
	session, err := c.Client.Connect(withAnswer(ctx, greeting), listening(transport), opts)
	if err != nil {
		return nil, greeting.explain(err)
	}
	return &link{ClientSession: session, tasks: newCoreCapability(greeting.take()), asTask: make(map[string]bool)}, nil
}

// dialAgain opens a link of the same protocol version: a server that is only just
// coming up may fail the SDK's first question and be taken for an older one.
func (c *Client) dialAgain(ctx context.Context, transport mcp.Transport, version string) (*link, error) {
	l, err := c.dial(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return nil, err
	}
	if l.version() != version {
		err := fmt.Errorf("the server came back with protocol %s, not %s", l.version(), version)
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *link) version() string { return l.InitializeResult().ProtocolVersion }

// generation is which of MCP's task protocols a link speaks.
type generation int

const (
	none generation = iota
	core
	extension
)

// generation returns the link's generation, or an error if the server has no tasks.
func (l *link) generation() (generation, error) {
	switch version := l.version(); {
	case version >= wire.ExtensionVersion:
		return extension, nil
	case version >= wire.CoreVersion && l.tasks != nil:
		return core, nil
	case version >= wire.CoreVersion:
		return none, fmt.Errorf("%w: the server has no tasks in protocol %s", errors.ErrUnsupported, version)
	default:
		return none, fmt.Errorf("%w: the server speaks protocol %s, and tasks need %s", errors.ErrUnsupported, version, wire.CoreVersion)
	}
}

// start sends tools/call. The error is lasting if the call may have reached the
// server.
func (l *link) start(ctx context.Context, params *mcp.CallToolParams) (*Started, error) {
	generation, _ := l.generation() // without tasks the call is a plain one
	asTask := false
	if generation == core && l.tasks.call() {
		var err error
		if asTask, err = l.wantsTask(ctx, params.Name); err != nil {
			return nil, err
		}
	}
	params.Meta = telemetry.WithMeta(ctx, params.Meta)
	answer := &answer{method: wire.MethodCall, asTask: asTask}
	result, err := l.CallTool(withAnswer(ctx, answer), params)
	if generation == core && l.tasks.call() && answer.code() == jsonrpc.CodeMethodNotFound {
		// The server wants the tool called the other way, and has not run it.
		asTask = !asTask
		l.setWantsTask(params.Name, asTask)
		answer.asTask = asTask
		result, err = l.CallTool(withAnswer(ctx, answer), params)
	}
	if err != nil {
		return nil, answer.ofCall(err)
	}
	switch {
	case generation == core && asTask:
		return answer.startedCore(result)
	case isHandle(result):
		return answer.started()
	default:
		return &Started{Result: result}, nil
	}
}

// get reads the task, of either generation with its result.
func (l *link) get(ctx context.Context, id string) (*Task, error) {
	generation, err := l.generation()
	if err != nil {
		return nil, err
	}
	data, err := send(ctx, l, wire.MethodGet, &wire.TaskParams{TaskID: id})
	if err != nil {
		return nil, noSuchTask(err)
	}
	var task *Task
	if generation == core {
		task, err = decodeCoreTask(data)
	} else {
		task, err = decodeTask(data)
	}
	if err == nil && task.ID != id {
		err = fmt.Errorf("the server answered with another task, %.100q", task.ID)
	}
	if err != nil {
		return nil, &lasting{err}
	}
	if generation == core && (task.Status == mcptasks.StatusCompleted || task.Status == mcptasks.StatusFailed) {
		err = l.addResult(ctx, task)
	}
	return task, err
}

// update sends answers to a task's questions.
func (l *link) update(ctx context.Context, id string, responses map[string]json.RawMessage) error {
	params := &wire.UpdateParams{TaskID: id, InputResponses: responses}
	params.Meta = telemetry.WithMeta(ctx, nil)
	_, err := send(ctx, l, wire.MethodUpdate, params)
	return err
}

// cancel asks for the task's end, which may have come before.
func (l *link) cancel(ctx context.Context, id string) error {
	generation, err := l.generation()
	if err != nil {
		return err
	}
	if generation == core && l.tasks.Cancel == nil {
		return fmt.Errorf("%w: the server cannot cancel tasks", errors.ErrUnsupported)
	}
	params := &wire.TaskParams{TaskID: id}
	params.Meta = telemetry.WithMeta(ctx, nil)
	_, err = send(ctx, l, wire.MethodCancel, params)
	if err = noSuchTask(err); generation == core && errors.Is(err, mcptasks.ErrNotFound) {
		// 2025-11-25 answers the same for a task that has ended.
		if task, getErr := l.get(ctx, id); getErr == nil && task.Status.Terminal() {
			return nil
		}
	}
	return err
}

// send sends a method that is not the SDK's and returns its result as it came.
func send[T any, P interface {
	*T
	mcp.Params
}](ctx context.Context, l *link, method string, params P,
) (json.RawMessage, error) {
	answer := &answer{method: method}
	result, err := mcp.CallCustomMethod[P, *raw](withAnswer(ctx, answer), l.ClientSession, method, params)
	if err != nil {
		return nil, answer.explain(err)
	}
	if result.data == nil {
		return json.RawMessage("null"), nil
	}
	return result.data, nil
}

// raw is a result that is not decoded: numbers would pass through float64.
type raw struct {
	mcp.ResultBase
	data json.RawMessage
}

func (r *raw) UnmarshalJSON(data []byte) error {
	r.data = bytes.Clone(data)
	return nil
}

// noSuchTask adds ErrNotFound to the error of a method whose only parameter is a
// task's id: a refused parameter means that there is no such task.
func noSuchTask(err error) error {
	var answered *refused
	if errors.As(err, &answered) && answered.rpc.Code == jsonrpc.CodeInvalidParams {
		return fmt.Errorf("%w: %w", mcptasks.ErrNotFound, err)
	}
	return err
}
