package mcpserver_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// Null arguments must not end the process. The SDK panics, on a goroutine of its own, when it
// adds a schema's defaults to null arguments (go-sdk v1.8.0).
func TestNullArguments(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","properties":{"count":{"type":"integer","default":7}}}`)
	for _, support := range []mcptasks.TaskSupport{mcptasks.TaskOptional, mcptasks.TaskRequired, mcptasks.TaskForbidden} {
		tools := mcptasks.NewTools()
		mcptasks.AddTool(tools, &mcp.Tool{Name: "count", InputSchema: schema}, func(context.Context, *mcptasks.Run, struct {
			Count int `json:"count"`
		},
		) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		}, &mcptasks.ToolOptions{TaskSupport: support})
		server := mounted(t, tools, newFakeRunner(), nil)
		if a := post(t, server, request{method: "tools/call", name: "count", arguments: "null"}); a.Error != nil || a.Result == nil {
			t.Errorf("%s: answer %s", support, a.message)
		}
	}
}
