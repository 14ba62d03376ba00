package mcpclient

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks/internal/wire"
)

// maxHandle bounds what is remembered of an answer. A handle has a few hundred
// bytes; a larger answer is a result, which the SDK decodes and nobody needs here.
const maxHandle = 1 << 20

// resultTypeTask is how an answer says that it is a handle.
const resultTypeTask = "task"

// An answer is what the server answered to one tools/call, caught on its way to
// the SDK: decoding it as a tool's result loses the task's id. It travels in the
// call's context, which the SDK hands to the transport.
type answer struct {
	mu     sync.Mutex
	id     jsonrpc.ID
	result json.RawMessage
}

type answerKey struct{}

func withAnswer(ctx context.Context, a *answer) context.Context {
	return context.WithValue(ctx, answerKey{}, a)
}

// awaited returns the answer that a message sent with ctx may bring, or nil.
func awaited(ctx context.Context) *answer {
	a, _ := ctx.Value(answerKey{}).(*answer)
	return a
}

// expect is called when a request is sent. A call may take more than one: the SDK
// sends it again with the input that the server asked for.
func (a *answer) expect(id jsonrpc.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.id, a.result = id, nil
}

// offer is called with each message received.
func (a *answer) offer(msg jsonrpc.Message) {
	response, ok := msg.(*jsonrpc.Response)
	if !ok || response.Error != nil || len(response.Result) > maxHandle {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if response.ID == a.id && a.result == nil {
		a.result = response.Result
	}
}

// task decodes the answer as a handle.
func (a *answer) task() (*Task, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.result == nil || resultType(a.result) != resultTypeTask {
		return nil, fmt.Errorf("the server made the call a task, but its handle is lost: it is larger than %d KiB or came in a way that this client does not see", maxHandle>>10)
	}
	handle := new(wire.Task)
	if err := json.Unmarshal(a.result, handle); err != nil {
		return nil, fmt.Errorf("the server's task handle is malformed: %w", err)
	}
	return newTask(handle)
}

func resultType(result json.RawMessage) string {
	var r struct {
		ResultType string `json:"resultType"`
	}
	if err := json.Unmarshal(result, &r); err != nil {
		return ""
	}
	return r.ResultType
}
