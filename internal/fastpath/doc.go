// Package fastpath is the room for code that answers an ordinary request without go-sdk.
// It has no code of its own. Each package below gives the SDK's answer to the byte, and
// leaves all that is not ordinary to the SDK. Each exists for its measured gain alone
// (docs/decisions/0011-fast-paths-past-the-sdk.md), and can be deleted without loss of
// anything else.
//
// # directcall
//
// The SDK decodes the arguments of a call twice, with a buffer of 32 KiB each time, and
// structured output once more. Without it an empty run costs its process a third less
// CPU time, and a drain is a fifth faster.
//
// Delete it when the SDK decodes once and without these buffers: BenchmarkDirectCall
// compares the two. Delete the folder, and the call of directcall.Wrap in
// internal/toolcall/set.go. Nothing else uses it.
//
// # poll
//
// The SDK makes a session and three goroutines for each HTTP request. Without it a
// tasks/get costs a sixth of the CPU time.
//
// Delete it when the SDK answers a request without them: BenchmarkPoll in mcpserver
// compares the two. Delete the folder, pass nil for it in mcpserver/handler.go, and delete
// its uses in mcpserver/mount.go, mcpserver/middleware.go and mcpserver/internal/method,
// and the option PollsThroughSDK.
package fastpath
