package mcpserver_test

import (
	"context"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// Before's result answers a plain call. A 2025-11-25 client that asked for a task gets its
// task instead, or Before's error.
func TestBeforeOfACoreTask(t *testing.T) {
	tools := mcptasks.NewTools()
	for name, err := range map[string]error{"add": nil, "refuses": errSecret} {
		mcptasks.AddTool(tools, &mcp.Tool{Name: name}, add, &mcptasks.ToolOptions{
			Before: func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return text("known already"), err
			},
		})
	}
	c := newConversation(t)
	c.server = mounted(t, tools, c.runner, nil)
	defer c.end()
	c.begin(`{}`)
	c.make()
	c.wants(c.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}`), "known already")
	c.wants(c.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"refuses","arguments":{"a":1},"task":{}}}`), `"code": -32602`)
}
