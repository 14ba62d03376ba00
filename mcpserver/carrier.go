package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A carrier is what brought a request, and what the SDK drops of it. The SDK has no
// room for it: it goes around, in carriers, and the request has its number.
type carrier struct {
	client context.Context // ends when the client goes; nil if nobody would notice
	id     json.RawMessage // the request's

	batch   bool            // it is one of a batch, and the next two are not filled
	task    json.RawMessage // params.task of a tools/call
	taskIDs json.RawMessage // params.notifications.taskIds of a subscriptions/listen

	// notify writes to the stream that answers this request; nil if that is not possible.
	notify func(method string, params any) error
	// line returns the line to the session, nil if it can have none. For requests
	// that the SDK has found to be of a session.
	line func() *line
}

const (
	// carrierHeader has the number, and overHTTPMark if it came over HTTP. It is no
	// legal name of a header: no client can send it.
	carrierHeader = "mcptasks carrier"
	overHTTPMark  = "http"
)

var (
	carriers    sync.Map // number → *carrier
	lastCarrier atomic.Uint64
)

// put makes the carrier known under a number, until it is taken away.
func (c *carrier) put() (number string) {
	number = strconv.FormatUint(lastCarrier.Add(1), 36)
	carriers.Store(number, c)
	return number
}

// carrierOf returns the request's carrier, nil if it came neither through NewHandler
// nor through NewTransport.
func carrierOf(req mcp.Request) *carrier {
	extra := req.GetExtra()
	if extra == nil || len(extra.Header[carrierHeader]) == 0 {
		return nil
	}
	found, _ := carriers.Load(extra.Header[carrierHeader][0])
	c, _ := found.(*carrier)
	return c
}

// overHTTP reports whether the request came over HTTP.
func overHTTP(extra *mcp.RequestExtra) bool {
	if extra == nil || extra.Header == nil {
		return false
	}
	mark := extra.Header[carrierHeader]
	return len(mark) < 2 || mark[1] == overHTTPMark
}

// setCarrier marks a header as that of a request, whatever a client made of it.
func setCarrier(header http.Header, number, kind string) {
	header[carrierHeader] = []string{number, kind}
}

type carrierKey struct{}

func contextCarrier(ctx context.Context) *carrier {
	c, _ := ctx.Value(carrierKey{}).(*carrier)
	return c
}

// clientKey is where the context is that ends when the client goes: the SDK's does
// not, in all versions of the protocol.
type clientKey struct{}

// withCarrier puts into ctx what is known of the request beside itself.
func withCarrier(ctx context.Context, c *carrier) context.Context {
	if c == nil {
		return ctx
	}
	ctx = context.WithValue(ctx, carrierKey{}, c)
	if c.client != nil {
		ctx = context.WithValue(ctx, clientKey{}, c.client)
	}
	return ctx
}

// contextLine returns the line to the request's session, nil if there is none.
func contextLine(ctx context.Context) *line {
	if c := contextCarrier(ctx); c != nil && c.line != nil {
		return c.line()
	}
	return nil
}
