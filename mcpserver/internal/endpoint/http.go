// Package endpoint is where requests arrive: an HTTP handler and a transport around two
// handlers of the SDK. It checks bodies, chooses the SDK's handler by protocol version,
// and gives each request its sideband. It knows no tasks: a fast path is handed to it.
package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/message"
	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// A FastPath answers requests without the SDK where it can.
type FastPath interface {
	// Serve reports whether it has answered the request. If it has not, it returns the
	// server that the request is for, or nil if it did not need to know it.
	Serve(w http.ResponseWriter, req *http.Request, body []byte) (server *mcp.Server, answered bool)
}

// New returns a Streamable HTTP endpoint. options are complete: their zero values are no
// longer replaced by defaults. fast is nil for an endpoint without a fast path.
func New(getServer func(*http.Request) *mcp.Server, options mcp.StreamableHTTPOptions, fast FastPath) http.Handler {
	sessions, single := options, options
	sessions.Stateless, single.Stateless = false, true
	single.EventStore = nil // it would open a stream for each request, which no client could ask for
	return &handler{
		sessions:  mcp.NewStreamableHTTPHandler(getServer, &sessions),
		single:    mcp.NewStreamableHTTPHandler(knownServer(getServer), &single),
		fast:      fast,
		maxBody:   options.MaxRequestBodyBytes,
		resumable: options.EventStore != nil,
		idleFor:   options.SessionTimeout,
		streams:   make(map[string]*sessionStream),
		posts:     make(map[string]int),
	}
}

type handler struct {
	sessions  http.Handler // for requests of sessions, and those that begin one
	single    http.Handler // for requests that stand alone
	fast      FastPath     // nil: none
	maxBody   int64
	resumable bool // a client that went away may come back for the answer
	idleFor   time.Duration

	mu      sync.Mutex
	streams map[string]*sessionStream // by session id
	posts   map[string]int            // requests in progress, by session id
}

const sessionHeader = "Mcp-Session-Id"

func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.Method == http.MethodPost && req.Body != nil:
		h.servePOST(w, req)
	case req.Header.Get(sessionHeader) == "":
		h.single.ServeHTTP(w, req) // which refuses the method
	case req.Method == http.MethodGet:
		h.serveGET(w, req)
	case req.Method == http.MethodDelete:
		h.serveDELETE(w, req)
	default:
		h.sessions.ServeHTTP(w, req)
	}
}

func (h *handler) servePOST(w http.ResponseWriter, req *http.Request) {
	if h.maxBody > 0 {
		req.Body = http.MaxBytesReader(w, req.Body, h.maxBody)
	}
	data, err := readAll(req)
	if err != nil {
		rejectBody(w, err)
		return
	}
	var server *mcp.Server
	if h.fast != nil {
		var answered bool
		if server, answered = h.fast.Serve(w, req, data); answered {
			return
		}
	}
	posted, id, rejection := check(data, req.Header)
	if rejection != nil {
		message.WriteError(w, id, rejection)
		return
	}

	next, side := h.single, &sideband.Sideband{Client: req.Context(), Batch: posted.Batch}
	session := req.Header.Get(sessionHeader)
	switch {
	case isSessionless(req.Header, posted.Messages):
	case session != "":
		next, side.Stream = h.sessions, func() *pushstream.Stream { return h.stream(session, true).Stream }
		defer h.posting(session)()
		if h.resumable {
			side.Client = nil
		}
	case initializes(posted.Messages):
		next = h.sessions
	}
	if !posted.Batch {
		posted.Messages[0].Fill(side)
		posted.Data = posted.Messages[0].WithParams(posted.Data)
	}
	if side.TaskIDs != nil {
		events := &eventStream{w: w}
		defer events.end()
		side.Notify = events.notify
		w = events
	}

	number := side.Register()
	defer h.forget(number)
	req = withServer(req, server) // a copy
	req.Header = req.Header.Clone()
	sideband.SetHTTP(req.Header, number)
	req.Body = io.NopCloser(bytes.NewReader(posted.Data))
	req.ContentLength = int64(len(posted.Data))
	next.ServeHTTP(w, req)
}

// check reads a body and checks each of its messages. It returns the error to answer
// with, and the id of the message that it is for.
func check(data []byte, header http.Header) (*message.Body, json.RawMessage, *jsonrpc.Error) {
	posted, rejection := message.Read(data)
	if rejection != nil {
		return nil, nil, rejection
	}
	for _, m := range posted.Messages {
		rejection := m.Check(header)
		if rejection == nil && posted.Batch && m.LacksParams() {
			rejection = m.CheckParams()
		}
		if rejection != nil {
			return nil, m.ID, rejection
		}
	}
	return posted, nil, nil
}

func rejectBody(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, fmt.Sprintf("request body exceeds %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
		return
	}
	http.Error(w, "the request body could not be read", http.StatusBadRequest)
}

// forget removes the sideband: a request that has not been begun yet need not be. The
// client of a resumable stream may come back, and the SDK may be about to begin its
// request.
func (h *handler) forget(number string) {
	if !h.resumable {
		sideband.Forget(number)
		return
	}
	time.AfterFunc(10*time.Second, func() { sideband.Forget(number) })
}

// readAll reads a body, usually into one buffer of the right size.
func readAll(req *http.Request) ([]byte, error) {
	const most = 64 << 10
	size := min(max(req.ContentLength, 0), most) + bytes.MinRead // room in which ReadFrom finds the end
	buffer := bytes.NewBuffer(make([]byte, 0, size))
	_, err := buffer.ReadFrom(req.Body)
	return buffer.Bytes(), err
}

// isSessionless reports whether the request is of a protocol version without sessions,
// by its header or by the _meta of its body. If they differ, the SDK rejects it.
func isSessionless(header http.Header, messages []message.Message) bool {
	if header.Get("Mcp-Protocol-Version") >= mcpwire.ExtensionVersion {
		return true
	}
	for _, m := range messages {
		if m.Version() >= mcpwire.ExtensionVersion {
			return true
		}
	}
	return false
}

func initializes(messages []message.Message) bool {
	for _, m := range messages {
		if m.Method == mcpwire.MethodInitialize {
			return true
		}
	}
	return false
}

type serverKey struct{}

// withServer returns a copy of the request. Its context has the server that the request
// is for, if that is known.
func withServer(req *http.Request, server *mcp.Server) *http.Request {
	ctx := req.Context()
	if server != nil {
		ctx = context.WithValue(ctx, serverKey{}, server)
	}
	return req.WithContext(ctx)
}

// knownServer calls getServer only if the server is not known yet: a program may make a
// server in each call.
func knownServer(getServer func(*http.Request) *mcp.Server) func(*http.Request) *mcp.Server {
	return func(req *http.Request) *mcp.Server {
		if server, ok := req.Context().Value(serverKey{}).(*mcp.Server); ok {
			return server
		}
		return getServer(req)
	}
}
