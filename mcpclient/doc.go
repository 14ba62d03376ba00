// Package mcpclient is an MCP client that knows tasks: it starts a tool call,
// keeps the handle of the task that the call became, and asks for the task later,
// from this session or any other.
//
// It is the SDK's client, with the Tasks extension (protocol 2026-07-28) declared
// and the handle caught: [Client] embeds [mcp.Client], and [Session] embeds
// [mcp.ClientSession].
//
//	client := mcpclient.NewClient(&mcp.Implementation{Name: "reader", Version: "v1"}, nil)
//	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
//	…
//	started, err := session.Start(ctx, &mcp.CallToolParams{Name: "report"})
//	…
//	task, err := session.Get(ctx, started.Task.ID)
package mcpclient
