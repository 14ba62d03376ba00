package mcpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// HandlerOptions describe an endpoint. Nil works.
type HandlerOptions struct {
	// StreamableHTTP is passed on to the SDK's handlers. Stateless is set as the
	// protocol version of the request demands, whatever it says. SessionTimeout
	// defaults to 24 hours. With an EventStore a session's client may come back to a
	// stream that broke: what waits for a client that has gone, a tasks/result say,
	// ends only with the session then.
	StreamableHTTP mcp.StreamableHTTPOptions

	// PollsThroughSDK is for programs whose receiving middleware must see tasks/get.
	// Otherwise NewHandler answers the ordinary ones of 2026-07-28 itself, with the same
	// bytes and without the SDK's work, once the SDK has answered one of that client's.
	// Those of a server that had receiving middleware when tools were mounted go through
	// it in any case; what is added after Mount is not noticed. Defaults to false.
	PollsThroughSDK bool
}

// NewHandler returns a Streamable HTTP endpoint for servers with mounted tools, as
// [mcp.NewStreamableHTTPHandler] does for others. It serves the protocol versions
// that have sessions and those that have none: a request of 2026-07-28 or later, and
// one that belongs to no session and does not begin one, is answered on its own. A
// 2025-11-25 client has tasks in its session, which lives in this process; the tasks
// themselves do not, and it finds them again from another.
//
// Besides it checks what the SDK does not know of tasks/* requests: that params are
// there, and that the Mcp-Name header is the task's id (-32020 and HTTP 400
// otherwise). It refuses a body that two readers could read differently, where a member
// is there twice say, or that is longer than MaxRequestBodyBytes of
// [mcp.StreamableHTTPOptions], 4 MiB by default (HTTP 413). It passes on what the SDK drops, so that 2025-11-25 clients may ask for
// tasks and 2026-07-28 clients may subscribe to them.
func NewHandler(getServer func(*http.Request) *mcp.Server, opts *HandlerOptions) http.Handler {
	if opts == nil {
		opts = &HandlerOptions{}
	}
	options := opts.StreamableHTTP
	if options.MaxRequestBodyBytes == 0 {
		options.MaxRequestBodyBytes = mcp.DefaultMaxRequestBodyBytes
	}
	if options.SessionTimeout == 0 {
		options.SessionTimeout = 24 * time.Hour
	}
	sessions, single := options, options
	sessions.Stateless, single.Stateless = false, true
	single.EventStore = nil // it would open a stream for each request, and nobody could ask for it
	return &handler{
		sessions:  mcp.NewStreamableHTTPHandler(getServer, &sessions),
		single:    mcp.NewStreamableHTTPHandler(gotServer(getServer), &single),
		lane:      lane{getServer: getServer, options: single, closed: opts.PollsThroughSDK},
		maxBody:   options.MaxRequestBodyBytes,
		resumable: options.EventStore != nil,
		idleFor:   options.SessionTimeout,
		lines:     make(map[string]*line),
		posts:     make(map[string]int),
	}
}

type handler struct {
	sessions  http.Handler // for requests of sessions, and those that begin one
	single    http.Handler // for requests that stand alone
	lane      lane         // for polls
	maxBody   int64
	resumable bool // a client that goes may come back for the answer
	idleFor   time.Duration

	mu    sync.Mutex
	lines map[string]*line // by session id
	posts map[string]int   // being answered, by session id
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
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, fmt.Sprintf("request body exceeds %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "the request body could not be read", http.StatusBadRequest)
		return
	}
	server, polled := h.lane.serve(w, req, data)
	if polled {
		return
	}
	posted, refusal := readBody(data)
	if refusal != nil {
		writeError(w, nil, refusal)
		return
	}
	messages := posted.messages
	for _, m := range messages {
		refusal := m.refuse(req.Header)
		if refusal == nil && posted.batch && m.lacksParams() {
			refusal = m.refuseNoParams()
		}
		if refusal != nil {
			writeError(w, m.id, refusal)
			return
		}
	}

	next, c := h.single, &carrier{client: req.Context(), batch: posted.batch}
	session := req.Header.Get(sessionHeader)
	switch {
	case isModern(req.Header, messages):
	case session != "":
		next, c.line = h.sessions, func() *line { return h.line(session, userOf(req), true) }
		defer h.posting(session)()
		if h.resumable {
			c.client = nil
		}
	case begins(messages):
		next = h.sessions
	}
	if !posted.batch {
		messages[0].fill(c)
		posted.data = messages[0].withParams(posted.data)
	}
	if c.taskIDs != nil {
		s := &stream{w: w}
		defer s.end()
		c.notify = func(method string, params any) error {
			message, err := notification(method, params)
			if err != nil {
				return err
			}
			return s.event(message)
		}
		w = s
	}

	number := c.put()
	defer h.forget(number)
	req = withServer(req, server) // a copy
	req.Header = req.Header.Clone()
	setCarrier(req.Header, number, overHTTPMark)
	req.Body = io.NopCloser(bytes.NewReader(posted.data))
	req.ContentLength = int64(len(posted.data))
	next.ServeHTTP(w, req)
}

// forget takes the carrier away: what has not begun yet need not begin. A client that
// may come back wants it begun, which the SDK may be about to do.
func (h *handler) forget(number string) {
	if !h.resumable {
		carriers.Delete(number)
		return
	}
	time.AfterFunc(10*time.Second, func() { carriers.Delete(number) })
}

// readAll reads a body, most into one piece of the right size.
func readAll(req *http.Request) ([]byte, error) {
	const most = 64 << 10
	size := min(max(req.ContentLength, 0), most) + bytes.MinRead // for the end, which it looks for
	buffer := bytes.NewBuffer(make([]byte, 0, size))
	_, err := buffer.ReadFrom(req.Body)
	return buffer.Bytes(), err
}

// isModern reports whether the request is of a protocol version without sessions,
// by its header or by the _meta of its body. If they differ, the SDK says so.
func isModern(header http.Header, messages []message) bool {
	if header.Get("Mcp-Protocol-Version") >= mcpwire.ExtensionVersion {
		return true
	}
	for _, m := range messages {
		if m.version() >= mcpwire.ExtensionVersion {
			return true
		}
	}
	return false
}

func begins(messages []message) bool {
	for _, m := range messages {
		if m.method == mcpwire.MethodInitialize {
			return true
		}
	}
	return false
}

// serveGET serves the stream on which a session's client hears what is no answer. A GET
// may also go on with the stream of an answer, which that one must not give way to: the
// SDK begins it with its events, and only the session's own with a header.
func (h *handler) serveGET(w http.ResponseWriter, req *http.Request) {
	var l *line
	disconnect := func() {}
	s := &stream{w: w}
	s.opened = func() { // the SDK has found the session, and this is its stream
		l = h.line(req.Header.Get(sessionHeader), userOf(req), false)
		disconnect = l.connect(s.event)
	}
	h.sessions.ServeHTTP(s, req)
	s.end()
	disconnect()
	h.release(l)
}

// serveDELETE ends a session. The SDK would wait for what waits in it, so that has to
// end first, if the SDK will accept the request.
func (h *handler) serveDELETE(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	l := h.lines[req.Header.Get(sessionHeader)]
	h.mu.Unlock()
	if l != nil && h.accepts(req) {
		l.end()
	}
	h.sessions.ServeHTTP(w, req)
}

// accepts reports whether the SDK lets the request's sender into the session. It is asked
// with a message that is nothing to anybody: an answer to a request that it never made.
func (h *handler) accepts(req *http.Request) bool {
	const answer = `{"jsonrpc":"2.0","id":"mcptasks","result":{}}`
	asked := req.Clone(req.Context())
	asked.Method = http.MethodPost
	asked.Header.Del("Last-Event-ID")
	asked.Header.Set("Content-Type", "application/json")
	asked.Header.Set("Accept", "application/json, text/event-stream")
	asked.Body, asked.ContentLength = io.NopCloser(strings.NewReader(answer)), int64(len(answer))
	verdict := &statusOnly{header: make(http.Header)}
	h.sessions.ServeHTTP(verdict, asked)
	return verdict.status == http.StatusAccepted
}

// statusOnly is a ResponseWriter that keeps nothing but the status.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

// line returns the line to a session that exists. Who keeps it ends it.
func (h *handler) line(session, user string, kept bool) *line {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.lines[session]
	if !ok {
		l = newLine(context.Background(), user)
		h.lines[session] = l
		h.rest(session)
		context.AfterFunc(l.ctx, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			l.wake()
			if h.lines[session] == l {
				delete(h.lines, session)
			}
		})
	}
	l.kept = l.kept || kept
	return l
}

// release ends a line that nobody has used but its stream.
func (h *handler) release(l *line) {
	if l == nil {
		return
	}
	h.mu.Lock()
	unused := !l.kept && l.listening() == nil
	h.mu.Unlock()
	if unused {
		l.end()
	}
}

// userOf returns who the SDK binds a session to.
func userOf(req *http.Request) string {
	if token := auth.TokenInfoFromContext(req.Context()); token != nil {
		return token.UserID
	}
	return ""
}
