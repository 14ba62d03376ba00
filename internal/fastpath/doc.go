// Package fastpath holds the code that answers ordinary requests without go-sdk. The package
// itself is empty. It has two packages below it, directcall and poll. Both answer as the SDK
// does, to the byte, and leave every unusual request to the SDK. Both exist only because
// they are faster (docs/decisions/0011-fast-paths-past-the-sdk.md). Deleting one changes
// nothing but speed.
//
// # directcall
//
// The SDK decodes the arguments of a call twice, with a buffer of 32 KiB each time, and
// structured output once more. Without that an empty run takes a third less CPU time, and a
// backlog of runs is worked off a fifth faster.
//
// Delete it when the SDK decodes once and without these buffers. BenchmarkDirectCall
// compares the two. Delete the folder, and the call of directcall.Wrap in
// internal/toolcall/set.go. Nothing else uses it.
//
// # poll
//
// The SDK makes a session and three goroutines for each HTTP request. Without them a
// tasks/get takes a sixth of the CPU time.
//
// Delete it when the SDK answers a request without them. BenchmarkPoll in mcpserver
// compares the two. These go with the folder:
//
//   - mcpserver/handler.go: the argument poll.New of endpoint.New, and the option
//     PollsThroughSDK
//   - mcpserver/internal/endpoint/http.go: the type FastPath and its one use
//   - mcpserver/mount.go: the call of poll.Register, and the field fast of mount
//   - mcpserver/middleware.go: the call of Behind
//   - mcpserver/internal/method: the calls of Remember and Observe, and the field FastPath
//   - mcpserver/internal/sideband and mcpserver/internal/message: IsPoll, ClientInfo and
//     Capabilities
//   - internal/mcpwire: get.go and append.go
//   - mcpserver: the tests in fastpath*_test.go, but for sdkLog
package fastpath
