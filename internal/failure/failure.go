// Package failure makes the outcomes that no handler returned: of tasks that fail
// because of their node, their limits or their deadline.
//
// It knows the root only.
package failure

import (
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks"
)

// Outcome returns the outcome of a task that failed with a JSON-RPC internal error. The
// sentence is the error's message: it reaches the client.
func Outcome(sentence string) *mcptasks.Outcome {
	return &mcptasks.Outcome{Error: &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: sentence}}
}

// TimedOut returns the outcome of a task whose run took longer than its limit.
func TimedOut(limit time.Duration) *mcptasks.Outcome {
	return Outcome(fmt.Sprintf("The tool ran longer than its limit of %s.", limit))
}
