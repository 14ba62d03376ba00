// Package fastpath is the room for code that does what go-sdk would do, only quicker. It
// has no code of its own. Each package below answers the ordinary case without the SDK,
// gives the SDK's answer to the byte, and leaves every other case to the SDK.
//
// Why it exists: the SDK decodes a call's arguments twice, with a 32 KiB buffer each
// time, and encodes structured output through a third one. That was a third of what an
// empty run costs its process; a drain is a fifth quicker without it (docs/engine.md,
// "Calls").
//
// When to delete a package below: when its benchmark shows no gain over the SDK.
//
//   - directcall: delete it when the SDK decodes a call's arguments once and without
//     32 KiB buffers (BenchmarkDirectCall compares the two). Then delete the folder and
//     the line that calls directcall.Wrap, in Add of internal/toolcall/set.go. Nothing
//     else uses it.
package fastpath
