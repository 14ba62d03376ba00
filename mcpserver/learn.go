package mcpserver

import (
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// polls is what the lane knows of a server: what the SDK made of polls that it was
// shown. Whom it let pass once it lets pass again, and how it names the server in one
// answer it does in all. Nothing else tells what the SDK keeps to itself: its
// implementation, and the protocol versions that it was limited to.
type polls struct {
	meta atomic.Pointer[[]byte] // _meta of answers, nil until there was one

	mu      sync.RWMutex
	pollers map[poller]bool // whether they declare the extension
}

// A poller is what a client says of itself with each request: its clientInfo and its
// clientCapabilities, as JSON, and as it writes them.
type poller struct{ info, capabilities string }

// More are not remembered, nor are longer ones: clients may say what they like.
const (
	maxPollers     = 256
	maxPollerBytes = 4 << 10
)

// meet remembers who sent a request that the SDK let pass.
func (p *polls) meet(c *carrier, req mcp.Request, declares bool) {
	if c == nil || c.poller == nil || meta(req)[mcp.MetaKeyProtocolVersion] != mcpwire.ExtensionVersion {
		return
	}
	if len(c.poller.info)+len(c.poller.capabilities) > maxPollerBytes {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pollers == nil || len(p.pollers) >= maxPollers {
		p.pollers = make(map[poller]bool)
	}
	p.pollers[*c.poller] = declares
}

// introduce has the SDK tell how it names the server, with the first answer.
func (p *polls) introduce(answer *mcpwire.Task) mcp.Result {
	if p.meta.Load() != nil {
		return answer
	}
	return &introduction{answer, p}
}

type introduction struct {
	*mcpwire.Task
	polls *polls
}

// SetMeta is where the SDK puts in the server's name.
func (i *introduction) SetMeta(meta map[string]any) {
	if info, ok := meta[mcp.MetaKeyServerInfo]; ok && len(meta) == 1 {
		named := mcpwire.ServerMeta(info)
		i.polls.meta.Store(&named)
	}
	i.Task.SetMeta(meta)
}

// known is what the lane knows of a client that polls, and of who answers it.
type known struct {
	declares bool   // the client knows the extension
	meta     []byte // of the answer
}

// met returns what is known for the poll; ok is false if the SDK is to be asked.
func (p *polls) met(get *mcpwire.Get) (k known, ok bool) {
	meta := p.meta.Load()
	if meta == nil {
		return k, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	declares, ok := p.pollers[poller{string(get.ClientInfo), string(get.Capabilities)}]
	return known{declares, *meta}, ok
}

// mounts has each server's mount. It keeps neither: a program may make a server for
// each request.
var mounts sync.Map // weak.Pointer[mcp.Server] → weak.Pointer[mount]

func remember(server *mcp.Server, m *mount) {
	key := weak.Make(server)
	if _, again := mounts.Swap(key, weak.Make(m)); !again {
		runtime.AddCleanup(server, func(key weak.Pointer[mcp.Server]) { mounts.Delete(key) }, key)
	}
}

// mountOf returns what was mounted last on the server, nil if nothing was.
func mountOf(server *mcp.Server) *mount {
	if server == nil {
		return nil
	}
	found, _ := mounts.Load(weak.Make(server))
	m, _ := found.(weak.Pointer[mount])
	return m.Value()
}

// isSDKs reports whether the SDK has nothing but its own behind the handler. Where it
// is wrong it says no.
func isSDKs(handler mcp.MethodHandler) bool {
	return reflect.ValueOf(handler).Pointer() == sdkHandler()
}

// sdkHandler is what a server calls to which no middleware was added.
var sdkHandler = sync.OnceValue(func() (pointer uintptr) {
	server := mcp.NewServer(&mcp.Implementation{Name: "mcptasks", Version: "0"}, nil)
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		pointer = reflect.ValueOf(next).Pointer()
		return next
	})
	return pointer
})
