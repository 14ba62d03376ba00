package session

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Initialize offers tasks to a client of 2025-11-25, if its requests have a sideband: the
// SDK drops what is about tasks.
func (s *Sessions) Initialize(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	result, err := next(ctx, mcpwire.MethodInitialize, req)
	answer, ok := result.(*mcp.InitializeResult)
	if !ok || answer == nil || sideband.FromContext(ctx).Sideband == nil || answer.ProtocolVersion < mcpwire.CoreVersion || mcpwire.GenerationOf(req) != mcpwire.CoreTasks {
		return result, err
	}
	if sideband.IsHTTP(req.GetExtra()) && req.GetSession().ID() == "" { // the program has turned sessions off
		return result, err
	}
	owner, ownerErr := s.service.Owner(ctx, req)
	return &mcpwire.CoreInitialize{InitializeResult: answer, List: ownerErr == nil && service.MayList(owner)}, err
}

// ListTools adds to each tool whether it may be called as a task.
func (s *Sessions) ListTools(ctx context.Context, next mcp.MethodHandler, req mcp.Request) (mcp.Result, error) {
	result, err := next(ctx, mcpwire.MethodTools, req)
	answer, ok := result.(*mcp.ListToolsResult)
	if !ok || answer == nil || sideband.FromContext(ctx).Sideband == nil || mcpwire.GenerationOf(req) != mcpwire.CoreTasks {
		return result, err
	}
	support := make(map[string]mcptasks.TaskSupport)
	for _, tool := range s.service.Tools.All() {
		support[tool.Name] = tool.Options.TaskSupport
	}
	return &mcpwire.CoreTools{ListToolsResult: answer, Support: support}, err
}

// ReadAsksForTask notes in r whether a 2025-11-25 client asks for a task, and its TTL. It
// returns the error for a call that must ask for one and does not, or the other way round.
func ReadAsksForTask(r *sideband.Request, support mcptasks.TaskSupport) error {
	if r.Generation != mcpwire.CoreTasks {
		return nil
	}
	if r.Sideband == nil || mcpwire.IsNull(r.Task) {
		if support == mcptasks.TaskRequired {
			return mcpwire.MethodNotFound(mcpwire.MethodCall)
		}
		return nil
	}
	if support == mcptasks.TaskForbidden {
		return mcpwire.MethodNotFound(mcpwire.MethodCall)
	}
	ttl, ok := readTTL(r.Task)
	if !ok {
		return mcpwire.InvalidParams(`"task" must be an object whose ttl, if any, is a number of milliseconds`)
	}
	r.AsksForTask, r.TTL = true, ttl
	return nil
}

func readTTL(task json.RawMessage) (time.Duration, bool) {
	var members map[string]json.RawMessage
	if mcpwire.Decode(task, &members) != nil {
		return 0, false
	}
	if mcpwire.IsNull(members["ttl"]) {
		return 0, true
	}
	var ttl float64
	if mcpwire.Decode(members["ttl"], &ttl) != nil || ttl < 0 {
		return 0, false
	}
	const most = float64(math.MaxInt64 / int64(time.Millisecond))
	if ttl >= most {
		return math.MaxInt64, true
	}
	return max(time.Duration(ttl)*time.Millisecond, time.Millisecond), true
}

// Rejection returns the error for a call that asks for a task and got an error result,
// because its arguments were not accepted. Its client expects a task or an error.
func Rejection(result mcp.Result) error {
	answer, ok := result.(*mcp.CallToolResult)
	if !ok || answer == nil || !answer.IsError {
		return nil
	}
	data, _ := json.Marshal(answer)
	return mcpwire.InvalidParams(cmp.Or(mcpwire.ResultText(data), "the tool rejected the call"))
}
