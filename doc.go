// Package mcptasks makes MCP tool calls durable. A tool registered with
// [AddTool] answers tools/call with a task handle; the work runs as a River
// job, on any node that shares the database, and polls, answers and
// cancellations read and write the task record. A task survives the death of
// the client, of the server and of the worker.
//
// This package is the vocabulary and what a tool author holds: [Tools],
// [AddTool], [Handler], [Run], [Step]. One call's journey:
//
//  1. mcpserver answers tools/call: the SDK checks the arguments, then
//     [Runner].Create is called in place of the work.
//  2. runner inserts a River job and the task row in one transaction. Only
//     after its commit is the handle sent.
//  3. workers claim the task on whatever node fetched the job, and run the
//     [Handler] with a [Run] through a [Caller].
//  4. What the handler returns becomes the task's [Outcome], written under the
//     run's fence: a run that lost its task writes nothing.
//  5. tasks/get reads one row, from any node.
package mcptasks
