package mcpserver

import (
	"context"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// A lane answers tasks/get as the SDK would have it answered, to the byte, but without
// the session, the goroutines and the decoding that the SDK has for each request. Most
// requests of a client with a task are polls. The lane takes what is ordinary in every
// respect; all else, and so all that could be refused, is left to the SDK.
type lane struct {
	getServer func(*http.Request) *mcp.Server
	options   mcp.StreamableHTTPOptions
	closed    bool
}

// serve reports whether it has answered the request. If it has not, server is the one
// that the request is for, if that was asked for.
func (l *lane) serve(w http.ResponseWriter, req *http.Request, body []byte) (server *mcp.Server, answered bool) {
	if l.closed || !isPoll(req.Header) || !l.lets(req) {
		return nil, false
	}
	get, ok := mcpwire.ReadGet(body)
	if !ok || refuseName(req.Header["Mcp-Name"], string(get.TaskID)) != nil {
		return nil, false
	}
	server = l.getServer(req)
	m := mountOf(server)
	if m == nil || !m.alone {
		return server, false
	}
	known, ok := m.polls.met(&get)
	if !ok {
		return server, false
	}
	answer, err := m.poll(req, &get, known, l.head())
	l.write(w, &get, answer, err)
	return server, true
}

// isPoll reports whether the header is that of a tasks/get that the SDK would not
// refuse for it. What is there twice is for the SDK to judge.
func isPoll(header http.Header) bool {
	return isOne(header["Mcp-Method"], mcpwire.MethodGet) && isOne(header["Mcp-Protocol-Version"], mcpwire.ExtensionVersion) &&
		header[sessionHeader] == nil && header["Last-Event-Id"] == nil &&
		len(header["Content-Type"]) == 1 && isJSON(header["Content-Type"][0]) && accepts(header["Accept"])
}

func isOne(values []string, want string) bool { return len(values) == 1 && values[0] == want }

func isJSON(contentType string) bool {
	const json = "application/json"
	if contentType == json {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == json
}

func accepts(values []string) bool {
	var json, stream bool
	for _, value := range values {
		for accepted := range strings.SplitSeq(value, ",") {
			switch strings.TrimSpace(accepted) {
			case "application/json":
				json = true
			case "text/event-stream":
				stream = true
			}
		}
	}
	return json && stream
}

// lets reports whether the SDK's protections let the request pass: that from DNS
// rebinding, which it has from a host that is not local where the connection is, and
// that from other origins.
func (l *lane) lets(req *http.Request) bool {
	if !l.options.DisableLocalhostProtection {
		local, _ := req.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local != nil && isLocal(local) && !isLoopback(req.Host) {
			return false
		}
	}
	origins := l.options.CrossOriginProtection //nolint:staticcheck // deprecated, and the SDK still heeds it: so must the lane
	return origins == nil || origins.Check(req) == nil
}

func isLocal(addr net.Addr) bool {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.IP.IsLoopback()
	}
	return isLoopback(addr.String())
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

type serverKey struct{}

// withServer returns a copy of the request, with the server it is for, if that is known.
func withServer(req *http.Request, server *mcp.Server) *http.Request {
	ctx := req.Context()
	if server != nil {
		ctx = context.WithValue(ctx, serverKey{}, server)
	}
	return req.WithContext(ctx)
}

// gotServer does not ask again for what is known: a program may make a server each time.
func gotServer(getServer func(*http.Request) *mcp.Server) func(*http.Request) *mcp.Server {
	return func(req *http.Request) *mcp.Server {
		if server, ok := req.Context().Value(serverKey{}).(*mcp.Server); ok {
			return server
		}
		return getServer(req)
	}
}
