package poll

import (
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/sdkserver"
)

// A Server is the fast path's view of one server. It remembers how the SDK answered polls: the
// SDK accepts a client again that it accepted once, and it names the server alike in all
// answers. The SDK has no API for either: the server's implementation and the protocol
// versions that it is limited to are unexported.
type Server struct {
	tasks         Tasks
	hasMiddleware bool                   // the program's own receiving middleware: it must see polls
	serverMeta    atomic.Pointer[[]byte] // the _meta of answers; nil until the SDK has sent one

	mu      sync.RWMutex
	clients map[client]bool // the trusted clients, and whether they declare the extension
}

// A client is a client's description of itself: clientInfo and clientCapabilities, as JSON,
// as the client writes them in each request.
type client struct{ info, capabilities string }

// Limits of the trusted clients: clients may send anything.
const (
	maxClients     = 256
	maxClientBytes = 4 << 10
)

// Remember adds the client of a tasks/get that the SDK has accepted to the trusted
// clients. info and capabilities are the request's. declares says whether it declares
// the extension.
func (s *Server) Remember(req mcp.Request, info, capabilities []byte, declares bool) {
	if mcpwire.Meta(req)[mcp.MetaKeyProtocolVersion] != mcpwire.ExtensionVersion || len(info)+len(capabilities) > maxClientBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == nil || len(s.clients) >= maxClients {
		s.clients = make(map[client]bool)
	}
	s.clients[client{string(info), string(capabilities)}] = declares
}

// Observe returns the answer to a tasks/get. If the server's name is not known yet, it is
// wrapped: the wrapper sees the name that the SDK adds to the answer.
func (s *Server) Observe(answer *mcpwire.Task) mcp.Result {
	if s.serverMeta.Load() != nil {
		return answer
	}
	return &observed{answer, s}
}

type observed struct {
	*mcpwire.Task
	server *Server
}

// SetMeta stores the server's name. The SDK calls it before it sends the answer.
func (o *observed) SetMeta(meta map[string]any) {
	if info, ok := meta[mcp.MetaKeyServerInfo]; ok && len(meta) == 1 {
		encoded := mcpwire.ServerMeta(info)
		o.server.serverMeta.Store(&encoded)
	}
	o.Task.SetMeta(meta)
}

// trusted describes a trusted client and the server that answers it.
type trusted struct {
	declares   bool
	serverMeta []byte
}

// lookUp returns the poll's client. If ok is false, the client is not trusted yet and the
// SDK must answer.
func (s *Server) lookUp(get *mcpwire.Get) (t trusted, ok bool) {
	meta := s.serverMeta.Load()
	if meta == nil {
		return t, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	declares, ok := s.clients[client{string(get.ClientInfo), string(get.Capabilities)}]
	return trusted{declares, *meta}, ok
}

// servers has the Server of each registered server. It keeps neither alive: a program may
// make a server for each request.
var servers sync.Map // weak.Pointer[mcp.Server] → weak.Pointer[Server]

// Register makes a server known to the fast path. A second call replaces the first. Call
// Behind before the server serves. Safe for concurrent use.
func Register(server *mcp.Server, tasks Tasks) *Server {
	s := &Server{tasks: tasks}
	key := weak.Make(server)
	if _, again := servers.Swap(key, weak.Make(s)); !again {
		runtime.AddCleanup(server, func(key weak.Pointer[mcp.Server]) { servers.Delete(key) }, key)
	}
	return s
}

// Behind says which handler is behind our middleware. If it is not the SDK's, the program has
// middleware of its own, which must see polls: the fast path is then not used.
func (s *Server) Behind(next mcp.MethodHandler) { s.hasMiddleware = !isSDKs(next) }

// serverOf returns the Server that was registered last, nil if the server is unknown.
func serverOf(server *mcp.Server) *Server {
	if server == nil {
		return nil
	}
	found, _ := servers.Load(weak.Make(server))
	s, _ := found.(weak.Pointer[Server])
	return s.Value()
}

// isSDKs reports whether the handler is certainly the SDK's own dispatch.
func isSDKs(handler mcp.MethodHandler) bool {
	return reflect.ValueOf(handler).Pointer() == sdkHandler()
}

// sdkHandler returns the code pointer of the handler of a server without middleware.
var sdkHandler = sync.OnceValue(func() uintptr {
	return reflect.ValueOf(sdkserver.New().Dispatch).Pointer()
})
