// Package mcptasks makes MCP tool calls durable. A tool registered with [AddTool]
// answers tools/call with a task handle. The work runs as a River job, on any node that
// shares the database; polls, answers and cancellations read and write the task's
// record. A task survives the death of the client, of the server and of the worker.
//
// This package has what a tool author writes against ([Tools], [AddTool], [Handler],
// [Run], [Step]) and what all packages call a task by ([Task], [Outcome], [Question],
// [Runner]). It knows MCP's types. It knows neither River nor a database nor the wire.
//
// # The journey of one call
//
//  1. Package mcpserver gets tools/call. The SDK checks the arguments, then mcpserver
//     calls [Runner].Create in place of the handler.
//  2. Package runner inserts a River job and the task in one transaction. After its
//     commit mcpserver answers with the handle.
//  3. A node fetches the job. It claims the task, which gives the run a fence, and calls
//     the [Handler] with a [Run].
//  4. The handler records steps and progress. A question that has no answer yet ends the
//     run; the answer starts the next one.
//  5. What the handler returns becomes the task's [Outcome]. It is written under the
//     run's fence: a run that has lost its task writes nothing.
//  6. tasks/get reads one row, on any node.
//
// # Stability
//
// Before v1.0 a minor version may change this API. The changelog then says how to change
// a program.
package mcptasks
