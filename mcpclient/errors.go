package mcpclient

import (
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// errLostHandle is the error of a call whose task cannot be followed.
var errLostHandle = fmt.Errorf("the server made the call a task, but its handle is lost: it is larger than %d KiB or came in a way that this client does not see", maxHandle>>10)

// errClosed is the error of every method after [Session.Close].
var errClosed = &permanent{fmt.Errorf("the session was closed: %w", mcp.ErrConnectionClosed)}

// serverError is a JSON-RPC error that the server sent. The SDK uses
// [jsonrpc.Error] for errors of its own too.
type serverError struct {
	rpc  *jsonrpc.Error
	text string
}

func (e *serverError) Error() string { return e.text }
func (e *serverError) Unwrap() error { return e.rpc }

// permanent is an error after which another attempt is useless or not safe.
type permanent struct{ err error }

func (e *permanent) Error() string { return e.err.Error() }
func (e *permanent) Unwrap() error { return e.err }

// transient is an error of the network or a gateway, which another attempt may not
// meet.
type transient struct{ err error }

func (e *transient) Error() string { return e.err.Error() }
func (e *transient) Unwrap() error { return e.err }

// Codes that a go-sdk server uses while it stops, and for a handler's error that has
// no code.
const (
	codeClosing = -32004
	codeNone    = 0
)

// isPermanent reports whether another attempt would return the same error.
func isPermanent(err error) bool {
	var last *permanent
	if errors.As(err, &last) || errors.Is(err, mcptasks.ErrNotFound) || errors.Is(err, errors.ErrUnsupported) {
		return true
	}
	var answered *serverError
	if !errors.As(err, &answered) {
		return false
	}
	switch answered.rpc.Code {
	case jsonrpc.CodeInternalError, codeClosing, codeNone:
		return false
	default:
		return true
	}
}

// connectionGone reports whether the error is that of a connection that will not work
// again.
func connectionGone(err error) bool {
	var last *permanent
	return !errors.As(err, &last) && (errors.Is(err, mcp.ErrConnectionClosed) || errors.Is(err, mcp.ErrSessionMissing))
}

// notFound adds [mcptasks.ErrNotFound] to the error of a method whose only parameter
// is a task's id: the server rejects the id of a task it does not have.
func notFound(err error) error {
	var answered *serverError
	if errors.As(err, &answered) && answered.rpc.Code == jsonrpc.CodeInvalidParams {
		return fmt.Errorf("%w: %w", mcptasks.ErrNotFound, err)
	}
	return err
}
