// Package poll answers tasks/get of protocol 2026-07-28 without the SDK: with the same
// bytes, but without the session, the goroutines and the decoding that the SDK needs for
// each request. Most requests of a client that has a task are polls. The package answers
// only ordinary polls. It leaves every other request to the SDK, including each request that
// the SDK might reject.
//
// It knows how a poll is written and answered, and which clients the SDK has accepted. It
// does not know how tasks are stored, nor any other method.
package poll

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// Path is the fast path of an endpoint.
type Path struct {
	getServer func(*http.Request) *mcp.Server
	options   mcp.StreamableHTTPOptions
}

// New returns the fast path of an endpoint. options are those with which the SDK serves the
// endpoint's other requests.
func New(getServer func(*http.Request) *mcp.Server, options mcp.StreamableHTTPOptions) *Path {
	return &Path{getServer: getServer, options: options}
}

// Serve answers the request if it can, and reports whether it did. If it did not, it returns
// the request's server, or nil if it did not call getServer.
func (p *Path) Serve(w http.ResponseWriter, req *http.Request, body []byte) (server *mcp.Server, answered bool) {
	if !isPoll(req.Header) || !p.allowed(req) {
		return nil, false
	}
	get, ok := mcpwire.ReadGet(body)
	if !ok || mcpwire.CheckName(req.Header["Mcp-Name"], string(get.TaskID)) != nil {
		return nil, false
	}
	server = p.getServer(req)
	s := serverOf(server)
	if s == nil || s.hasMiddleware {
		return server, false
	}
	known, ok := s.lookUp(&get)
	if !ok {
		return server, false
	}
	answer, err := s.answer(req, &get, known, p.prefix())
	p.write(w, &get, answer, err)
	return server, true
}

// isPoll reports whether the header is that of a tasks/get that the SDK would accept. A
// request with repeated header fields is left to the SDK.
func isPoll(header http.Header) bool {
	return isOne(header["Mcp-Method"], mcpwire.MethodGet) && isOne(header["Mcp-Protocol-Version"], mcpwire.ExtensionVersion) &&
		header["Mcp-Session-Id"] == nil && header["Last-Event-Id"] == nil &&
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

// allowed reports whether the SDK's protections allow the request. One is against DNS
// rebinding: the connection is local and the host is not. The other is against foreign
// origins.
func (p *Path) allowed(req *http.Request) bool {
	if !p.options.DisableLocalhostProtection {
		local, _ := req.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local != nil && isLocal(local) && !isLoopback(req.Host) {
			return false
		}
	}
	origins := p.options.CrossOriginProtection //nolint:staticcheck // deprecated, but the SDK still uses it
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
