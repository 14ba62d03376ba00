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

// A Server is what the fast path knows of one server. It remembers what the SDK did with
// polls: a client that the SDK accepted once, it accepts again, and the name that the SDK
// gave the server in one answer, it gives it in all. There is no other way to learn what
// the SDK keeps to itself: the server's implementation, and the protocol versions that
// it is limited to.
type Server struct {
	tasks         Tasks
	hasMiddleware bool                   // receiving middleware that is not ours: it must see polls
	serverMeta    atomic.Pointer[[]byte] // _meta of answers; nil until there was an answer

	mu      sync.RWMutex
	clients map[client]bool // the trusted clients, and whether they declare the extension
}

// A client is what a client says of itself in each request, as JSON and as the client
// writes it: its clientInfo and its clientCapabilities.
type client struct{ info, capabilities string }

// Limits of what is remembered: clients may send anything.
const (
	maxClients     = 256
	maxClientBytes = 4 << 10
)

// Remember adds the client of a tasks/get that the SDK has accepted to the trusted
// clients. info and capabilities are the request's, declares says that it declares the
// extension.
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

// Observe returns the answer to a tasks/get such that the SDK, when it sends the answer,
// shows how it names the server.
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

// SetMeta is called by the SDK with the server's name.
func (o *observed) SetMeta(meta map[string]any) {
	if info, ok := meta[mcp.MetaKeyServerInfo]; ok && len(meta) == 1 {
		encoded := mcpwire.ServerMeta(info)
		o.server.serverMeta.Store(&encoded)
	}
	o.Task.SetMeta(meta)
}

// trusted is what is known of a trusted client, and of the server that answers it.
type trusted struct {
	declares   bool
	serverMeta []byte
}

// lookUp returns what is known of the poll's client. If ok is false, the SDK has to
// answer.
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

// servers has what is known of each server. It keeps neither alive: a program may make a
// server for each request.
var servers sync.Map // weak.Pointer[mcp.Server] → weak.Pointer[Server]

// Register makes a server known to the fast path. outermost is the receiving handler
// that the server had before our middleware was added.
func Register(server *mcp.Server, tasks Tasks) *Server {
	s := &Server{tasks: tasks}
	key := weak.Make(server)
	if _, again := servers.Swap(key, weak.Make(s)); !again {
		runtime.AddCleanup(server, func(key weak.Pointer[mcp.Server]) { servers.Delete(key) }, key)
	}
	return s
}

// Behind notes the handler that is behind our middleware. The fast path is not used if
// there is middleware of the program's: it must see polls.
func (s *Server) Behind(next mcp.MethodHandler) { s.hasMiddleware = !isSDKs(next) }

// serverOf returns what was registered last for the server, nil if nothing was.
func serverOf(server *mcp.Server) *Server {
	if server == nil {
		return nil
	}
	found, _ := servers.Load(weak.Make(server))
	s, _ := found.(weak.Pointer[Server])
	return s.Value()
}

// isSDKs reports whether the handler is the SDK's own dispatch. If it cannot tell, it
// returns false.
func isSDKs(handler mcp.MethodHandler) bool {
	return reflect.ValueOf(handler).Pointer() == sdkHandler()
}

// sdkHandler points to the handler of a server without middleware.
var sdkHandler = sync.OnceValue(func() uintptr {
	return reflect.ValueOf(sdkserver.New().Dispatch).Pointer()
})
