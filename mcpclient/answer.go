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

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxHandle bounds what is remembered of an answer. A handle has a few hundred
// bytes; a larger answer is a result, which the SDK decodes and nobody needs here.
const maxHandle = 1 << 20

// resultTypeTask is how an answer says that it is a handle.
const resultTypeTask = "task"

// An answer is what came of one request, caught on its way to the SDK: that loses
// what it does not know, a task's id first of all, and tells little of why a
// request failed. It travels in the request's context, which the SDK hands to the
// transport.
type answer struct {
	method string // of the request; others with the same context are not meant
	asTask bool   // the request is given params.task

	mu      sync.Mutex
	id      jsonrpc.ID
	result  json.RawMessage
	refusal *jsonrpc.Error
	status  int  // of HTTP, if it was an error
	sent    bool // the request may have reached the server
	missing bool // the server does not know the session
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
	a.id, a.result, a.refusal, a.status, a.sent, a.missing = id, nil, nil, 0, true, false
}

// offer is called with each message received.
func (a *answer) offer(msg jsonrpc.Message) {
	response, ok := msg.(*jsonrpc.Response)
	if !ok || len(response.Result) > maxHandle {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case response.ID != a.id || a.result != nil || a.refusal != nil:
	case response.Error != nil:
		errors.As(response.Error, &a.refusal)
	default:
		a.result = response.Result
	}
}

// undelivered is called when a request did not reach the server.
func (a *answer) undelivered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = false
}

// sessionMissing is called when the server does not know the request's session. The
// SDK does not notice where the server says so in JSON-RPC.
func (a *answer) sessionMissing() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent, a.missing = false, true
}

// failed is called with the HTTP status of a request that the server refused.
func (a *answer) failed(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

// take returns the result as it came, once; nil if it was not seen.
func (a *answer) take() json.RawMessage {
	a.mu.Lock()
	defer a.mu.Unlock()
	result := a.result
	a.result = nil
	return result
}

// code returns the code of the JSON-RPC error the server answered with, 0 if it
// did not.
func (a *answer) code() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusal == nil {
		return 0
	}
	return a.refusal.Code
}

// started decodes the answer as a handle of the extension.
func (a *answer) started() (*Started, error) {
	task, err := a.task()
	if err != nil {
		return nil, &lasting{err}
	}
	return &Started{Task: task}, nil
}

var errLostHandle = fmt.Errorf("the server made the call a task, but its handle is lost: it is larger than %d KiB or came in a way that this client does not see", maxHandle>>10)

func (a *answer) task() (*Task, error) {
	result := a.take()
	if result == nil || resultType(result) != resultTypeTask {
		return nil, errLostHandle
	}
	return decodeTask(result)
}

// explain is the SDK's error with what the SDK does not tell.
func (a *answer) explain(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.missing:
		return fmt.Errorf("%w: %w", mcp.ErrSessionMissing, err)
	case a.refusal != nil:
		return &refused{rpc: a.refusal, text: err.Error()}
	case a.status >= 400 && a.status < 500:
		return &lasting{fmt.Errorf("HTTP %d %s: %w", a.status, http.StatusText(a.status), err)}
	default:
		return err
	}
}

// ofCall is explain for a call that must not be made twice.
func (a *answer) ofCall(err error) error {
	err = a.explain(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent {
		return &lasting{err}
	}
	return err
}

// refused is a JSON-RPC error that the server answered with. The SDK uses the same
// type for errors of its own.
type refused struct {
	rpc  *jsonrpc.Error
	text string
}

func (r *refused) Error() string { return r.text }
func (r *refused) Unwrap() error { return r.rpc }

// lasting is an error that does not go away by trying again, or after which that
// is not safe.
type lasting struct{ err error }

func (l *lasting) Error() string { return l.err.Error() }
func (l *lasting) Unwrap() error { return l.err }

// trouble is an error of the way to the server: it may be there again later.
type trouble struct{ err error }

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

// roundTripError tells trouble, and whether the request can have been delivered.
func (a *answer) roundTripError(ctx context.Context, mine bool, err error) error {
	var dial *net.OpError
	if mine && errors.As(err, &dial) && dial.Op == "dial" {
		a.undelivered()
	}
	var certificate *tls.CertificateVerificationError
	if ctx.Err() != nil || errors.As(err, &certificate) {
		return err
	}
	return &trouble{err}
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
