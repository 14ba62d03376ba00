// Package sideband carries what the SDK drops of a request beside the request: members
// that the SDK has no field for, and the means to write to the client. It knows neither
// tasks nor HTTP.
//
// The SDK passes on two things that we can reach on both sides of it: a request's header
// and its context. The context does not reach all handlers: the SDK gives the requests of
// a session the session's context. So a request's header holds the number of its
// sideband, under a name that is not a legal header name. No client can send it.
package sideband

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
)

// A Sideband belongs to one request.
type Sideband struct {
	Client context.Context // ends when the client goes away; nil if nobody would notice
	ID     json.RawMessage // the request's id

	Batch   bool            // the request is one of a batch; the other members are then not set
	Task    json.RawMessage // params.task of a tools/call
	TaskIDs json.RawMessage // params.notifications.taskIds of a subscriptions/listen

	// ClientInfo and Capabilities are the members of a tasks/get's _meta, as the client
	// wrote them. IsPoll says that the request is a tasks/get.
	IsPoll                   bool
	ClientInfo, Capabilities json.RawMessage

	// Notify writes to the stream that answers this request. Nil if that is not possible.
	Notify func(method string, params any) error
	// Stream returns the session's push stream, nil if there is none. It is for requests
	// that the SDK has found to belong to a session.
	Stream func() *pushstream.Stream
}

const (
	// headerName holds the sideband's number, and a second value that says what the
	// request came over.
	headerName = "mcptasks sideband"
	overHTTP   = "http"
)

var (
	registered sync.Map // number → *Sideband
	last       atomic.Uint64
)

// Register makes the sideband known under a number until Forget.
func (s *Sideband) Register() (number string) {
	number = strconv.FormatUint(last.Add(1), 36)
	registered.Store(number, s)
	return number
}

// Forget removes a sideband.
func Forget(number string) { registered.Delete(number) }

// ErrGone is returned by [Of] for a client that went away before its request was begun.
var ErrGone = errors.New("the client has gone")

// Of returns the request's sideband. It returns nil if the request came neither through
// NewHandler nor through NewTransport. It returns ErrGone if the sideband has been
// forgotten: what is begun now would have no client, and nothing would end it.
func Of(req mcp.Request) (*Sideband, error) {
	extra := req.GetExtra()
	if extra == nil || len(extra.Header[headerName]) == 0 {
		return nil, nil //nolint:nilnil // no sideband is not a failure
	}
	found, ok := registered.Load(extra.Header[headerName][0])
	if !ok {
		return nil, ErrGone
	}
	return found.(*Sideband), nil
}

// SetHTTP sets the header of a request that came over HTTP, whatever its client sent.
func SetHTTP(header http.Header, number string) { header[headerName] = []string{number, overHTTP} }

// SetTransport sets the header of a request that came over another transport.
func SetTransport(header http.Header, number string) { header[headerName] = []string{number, ""} }

// IsHTTP reports whether the request came over HTTP.
func IsHTTP(extra *mcp.RequestExtra) bool {
	if extra == nil || extra.Header == nil {
		return false
	}
	values := extra.Header[headerName]
	return len(values) < 2 || values[1] == overHTTP
}
