package mcpserver

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// initialize offers tasks to a client of 2025-11-25, if what the SDK drops of its
// requests will be heard of.
func (m *mount) initialize(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	result, err := next(ctx, mcpwire.MethodInitialize, req)
	answer, ok := result.(*mcp.InitializeResult)
	if !ok || answer == nil || contextCarrier(ctx) == nil || answer.ProtocolVersion < mcpwire.CoreVersion || generation(req) != core {
		return result, err
	}
	if overHTTP(req.GetExtra()) && req.GetSession().ID() == "" { // a program may have no sessions
		return result, err
	}
	owner, ownerErr := m.opts.Owner(ctx, req)
	return &mcpwire.CoreInitialize{InitializeResult: answer, List: ownerErr == nil && mayList(owner)}, err
}

// mayList reports whether the owner's list is nobody else's: all that have no owner
// would see each other's tasks.
func mayList(owner mcptasks.Owner) bool { return owner != "" }

// listTools says of each tool whether it may be called as a task.
func (m *mount) listTools(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	result, err := next(ctx, mcpwire.MethodTools, req)
	answer, ok := result.(*mcp.ListToolsResult)
	if !ok || answer == nil || contextCarrier(ctx) == nil || generation(req) != core {
		return result, err
	}
	support := make(map[string]mcptasks.TaskSupport)
	for _, tool := range m.tools.All() {
		support[tool.Name] = tool.Options.TaskSupport
	}
	return &mcpwire.CoreTools{ListToolsResult: answer, Support: support}, err
}

// A taskAsked is what a 2025-11-25 client asks of the task that its call shall be.
type taskAsked struct {
	ttl time.Duration // 0: the tool's
}

// askedTask returns what a 2025-11-25 client asks of its call's task, nil for a call
// that shall be none, or the error for a call that must be the other.
func askedTask(ctx context.Context, req mcp.Request, support mcptasks.TaskSupport) (*taskAsked, error) {
	if generation(req) != core {
		return nil, nil //nolint:nilnil // the client knows of no such thing
	}
	c := contextCarrier(ctx)
	if c == nil || isNull(c.task) {
		if support == mcptasks.TaskRequired {
			return nil, methodNotFound(mcpwire.MethodCall)
		}
		return nil, nil //nolint:nilnil // it asks for none
	}
	if support == mcptasks.TaskForbidden {
		return nil, methodNotFound(mcpwire.MethodCall)
	}
	ttl, ok := readTTL(c.task)
	if !ok {
		return nil, invalidParams(`"task" must be an object whose ttl, if any, is a number of milliseconds`)
	}
	return &taskAsked{ttl: ttl}, nil
}

func readTTL(task json.RawMessage) (time.Duration, bool) {
	var members map[string]json.RawMessage
	if decode(task, &members) != nil {
		return 0, false
	}
	if isNull(members["ttl"]) {
		return 0, true
	}
	var ttl float64
	if decode(members["ttl"], &ttl) != nil || ttl < 0 {
		return 0, false
	}
	const most = float64(math.MaxInt64 / int64(time.Millisecond))
	if ttl >= most {
		return math.MaxInt64, true
	}
	return max(time.Duration(ttl)*time.Millisecond, time.Millisecond), true
}

// refused is the error for a call that shall be a task and was answered otherwise: its
// arguments did not pass. Its client expects a task, and nothing else but an error.
func refused(result mcp.Result) error {
	answer, ok := result.(*mcp.CallToolResult)
	if !ok || answer == nil || !answer.IsError {
		return nil
	}
	data, _ := json.Marshal(answer)
	return invalidParams(cmp.Or(mcpwire.ResultText(data), "the tool refused the call"))
}

type askedKey struct{}

// contextTTL returns the ttl that the client asked for, 0 for none.
func contextTTL(ctx context.Context) time.Duration {
	if asked, _ := ctx.Value(askedKey{}).(*taskAsked); asked != nil {
		return asked.ttl
	}
	return 0
}
