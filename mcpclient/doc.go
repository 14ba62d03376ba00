// Package mcpclient is an MCP client that knows tasks, of the Tasks extension
// (protocol 2026-07-28) and of protocol 2025-11-25: a tool call that became a task
// is followed to its result, whatever becomes of the server meanwhile; or its
// handle is kept, and the task followed later, from this session or any other.
//
// It is the SDK's client, with the extension declared and the handle caught:
// [Client] embeds [mcp.Client], and [Session] embeds [mcp.ClientSession].
//
//	client := mcpclient.NewClient(&mcp.Implementation{Name: "reader", Version: "v1"}, nil)
//	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
//	…
//	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "report"})
//
// or, to let go of the task meanwhile,
//
//	started, err := session.Start(ctx, &mcp.CallToolParams{Name: "report"})
//	…
//	result, err := later.Resume(ctx, started.Task.ID)
//
// Tasks are polled; a server's notifications are not used.
package mcpclient
