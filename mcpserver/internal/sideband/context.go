package sideband

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
)

// A Request is what our middleware has found out about a request. The SDK stands between
// the middleware and the methods that answer, so it goes along in the context. It is
// written before the SDK sees the request, and only read after that.
type Request struct {
	*Sideband // nil if the request came neither through NewHandler nor through NewTransport

	Generation mcpwire.Generation
	Owner      mcptasks.Owner

	// AsksForTask says that a 2025-11-25 client asks for a task; TTL is what it asks for,
	// 0 for the tool's.
	AsksForTask bool
	TTL         time.Duration
}

type requestKey struct{}

// NewContext returns a context that has the request.
func NewContext(ctx context.Context, req *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, req)
}

// FromContext returns the context's request, an empty one if there is none.
func FromContext(ctx context.Context) *Request {
	if req, ok := ctx.Value(requestKey{}).(*Request); ok {
		return req
	}
	return &Request{}
}

// ClientContext returns a context that ends when the client goes away. The SDK's does
// not, in all versions of the protocol. It returns nil if nobody would notice.
func (r *Request) ClientContext() context.Context {
	if r.Sideband == nil {
		return nil
	}
	return r.Client
}

// ClientGone reports whether the client is known to have gone away.
func (r *Request) ClientGone() bool {
	client := r.ClientContext()
	return client != nil && client.Err() != nil
}

// PushStream returns the session's push stream, nil if there is none.
func (r *Request) PushStream() *pushstream.Stream {
	if r.Sideband == nil || r.Stream == nil {
		return nil
	}
	return r.Stream()
}
