//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
)

// serve is the role of an HTTP server: /mcp has our tool, whose tasks no node works, and
// /echo a plain tool of the SDK. Both are in one process, so they share a garbage
// collector.
func serve(ctx context.Context, o *options) error {
	tools := noop(nil)
	node, err := runner.Open(ctx, o.url, tools, &runner.Config{Logger: quiet})
	if err != nil {
		return err
	}
	defer node.Close()
	ours := mcp.NewServer(&mcp.Implementation{Name: "bench", Version: "v1"}, nil)
	mcpserver.Mount(ours, tools, node, &mcpserver.Options{Logger: quiet})

	plain := mcp.NewServer(&mcp.Implementation{Name: "bench", Version: "v1"}, nil)
	mcp.AddTool(plain, &mcp.Tool{Name: "echo", Description: "Says the topic"}, echo)

	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpserver.NewHandler(func(*http.Request) *mcp.Server { return ours }, nil))
	mux.Handle("/echo", mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return plain }, &mcp.StreamableHTTPOptions{Stateless: true}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr())
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in input) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Topic}}}, nil, nil
}
