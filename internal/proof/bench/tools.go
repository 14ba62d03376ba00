//go:build unix

package main

import (
	"context"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// answer is the text of every result.
var answer = strings.Repeat("High water at dawn. ", 10)

type input struct {
	Topic  string `json:"topic"`
	Steps  int    `json:"steps"`
	Notify string `json:"notify"`
}

// noop returns the tool that most measures call. Its handler calls ran, unless that is
// nil, and returns at once.
func noop(ran func()) *mcptasks.Tools {
	tools := mcptasks.NewTools()
	handler := func(context.Context, *mcptasks.Run, input) (*mcp.CallToolResult, any, error) {
		if ran != nil {
			ran()
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: answer}}}, nil, nil
	}
	mcptasks.AddTool(tools, &mcp.Tool{Name: "noop", Description: "Answers at once"}, handler, nil)
	return tools
}
