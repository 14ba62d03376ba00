// Package mcpclient is an MCP client that follows tasks, of the Tasks extension
// (protocol 2026-07-28) and of protocol 2025-11-25. It follows a tool call that became
// a task to its result, even if the server restarts meanwhile. Or it keeps the task's
// id, and this session or another follows the task later.
//
//	client := mcpclient.NewClient(&mcp.Implementation{Name: "reader", Version: "v1"}, nil)
//	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
//	…
//	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "report"})
//
// or, to follow the task later,
//
//	started, err := session.Start(ctx, &mcp.CallToolParams{Name: "report"})
//	…
//	result, err := later.Resume(ctx, started.Task.ID)
//
// The package wraps the SDK's client. [Client] embeds [mcp.Client] and declares the
// extension. [Session.ClientSession] is the SDK's session, for everything that is not
// about tasks. Tasks are polled; a server's notifications are not used.
//
// It knows both task protocols as a client sees them, and works with any server of
// theirs. It knows no database and nothing of mcptasks' own server.
//
// The package is stable from v1.0.0 on. Before that, a minor version may change it; the
// CHANGELOG says how.
package mcpclient
