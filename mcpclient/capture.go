package mcpclient

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxHandle limits the size of a captured result. A handle has a few hundred bytes.
// A larger result is a tool's result, which the SDK decodes.
const maxHandle = 1 << 20

// resultTypeTask is the resultType of a handle.
const resultTypeTask = "task"

// A capture records how the server answers one request, before the SDK decodes it.
// The SDK drops the members it does not know, the task's id among them, and most of
// what explains a failed request. The capture travels in the request's context,
// which the SDK passes to the transport. Safe for concurrent use.
type capture struct {
	method string // requests of other methods with the same context are ignored
	asTask bool   // the transport adds params.task to the request

	callAllowed atomic.Bool // the next tools/call comes from a Session

	mu          sync.Mutex
	id          jsonrpc.ID
	result      json.RawMessage
	rpcError    *jsonrpc.Error
	status      int  // HTTP status, if it is an error
	sent        bool // the request may have reached the server
	sessionGone bool // the server does not know the session
}

type captureKey struct{}

func withCapture(ctx context.Context, c *capture) context.Context {
	return context.WithValue(ctx, captureKey{}, c)
}

// captureFrom returns the capture for a message that is sent with ctx, or nil.
func captureFrom(ctx context.Context) *capture {
	c, _ := ctx.Value(captureKey{}).(*capture)
	return c
}

// begin starts recording the response to a request. A tools/call may need several
// requests: the SDK sends it again with the input that the server asked for.
func (c *capture) begin(id jsonrpc.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id, c.result, c.rpcError, c.status, c.sent, c.sessionGone = id, nil, nil, 0, true, false
}

// record keeps the message if it is the response to the request.
func (c *capture) record(msg jsonrpc.Message) {
	response, ok := msg.(*jsonrpc.Response)
	if !ok || len(response.Result) > maxHandle {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case response.ID != c.id || c.result != nil || c.rpcError != nil:
	case response.Error != nil:
		errors.As(response.Error, &c.rpcError)
	default:
		c.result = response.Result
	}
}

// recordBytes is record for an encoded message. It ignores a malformed one, which
// the SDK reports.
func (c *capture) recordBytes(data []byte) {
	if msg, err := jsonrpc.DecodeMessage(data); err == nil {
		c.record(msg)
	}
}

// markUndelivered notes that the request did not reach the server.
func (c *capture) markUndelivered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = false
}

// markSessionGone notes that the server does not know the request's session. The SDK
// does not notice this if the server answers with a JSON-RPC error.
func (c *capture) markSessionGone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent, c.sessionGone = false, true
}

// markStatus notes the HTTP status of an error.
func (c *capture) markStatus(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// consume returns the captured result as it was sent, or nil, and forgets it.
func (c *capture) consume() json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	result := c.result
	c.result = nil
	return result
}

// errorCode returns the code of the server's JSON-RPC error, or 0.
func (c *capture) errorCode() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rpcError == nil {
		return 0
	}
	return c.rpcError.Code
}

// explain adds to the SDK's error what the SDK leaves out.
func (c *capture) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.sessionGone:
		return fmt.Errorf("%w: %w", mcp.ErrSessionMissing, err)
	case c.rpcError != nil:
		return &serverError{rpc: c.rpcError, text: err.Error()}
	case c.status >= 400 && c.status < 500:
		return &permanent{fmt.Errorf("HTTP %d %s: %w", c.status, http.StatusText(c.status), err)}
	default:
		return err
	}
}

// explainCall is explain for a call that must not reach the server twice.
func (c *capture) explainCall(err error) error {
	err = c.explain(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent {
		return &permanent{err}
	}
	return err
}

// explainRoundTrip returns a transient error, except for errors that trying again
// does not mend. ours says whether the request is the captured one: a failed dial
// means that it was not delivered.
func (c *capture) explainRoundTrip(ctx context.Context, ours bool, err error) error {
	var dial *net.OpError
	if ours && errors.As(err, &dial) && dial.Op == "dial" {
		c.markUndelivered()
	}
	var certificate *tls.CertificateVerificationError
	if ctx.Err() != nil || errors.As(err, &certificate) {
		return err
	}
	return &transient{err}
}
