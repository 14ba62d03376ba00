package endpoint

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// A sideband is forgotten with its request. Otherwise the process would keep one for each.
func TestSidebandsAreForgotten(t *testing.T) {
	var request mcp.Request // the last tools/list
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "tools/list" {
				if request = req; !has(req) {
					t.Error("a request in progress has no sideband")
				}
			}
			return next(ctx, method, req)
		}
	})
	forgotten := func(over string) {
		t.Helper()
		if request == nil {
			t.Fatalf("%s: no request reached the server", over)
		}
		if _, err := sideband.Of(request); !errors.Is(err, sideband.ErrGone) {
			t.Errorf("%s: the sideband of an answered request was not forgotten: %v", over, err)
		}
		request = nil
	}

	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`))
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	New(func(*http.Request) *mcp.Server { return server }, mcp.StreamableHTTPOptions{}, nil).ServeHTTP(httptest.NewRecorder(), req)
	forgotten("HTTP")

	clientSide, serverSide := mcp.NewInMemoryTransports()
	serverSession, err := server.Connect(t.Context(), NewTransport(serverSide), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serverSession.Wait() }()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil).Connect(t.Context(), clientSide, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := session.ListTools(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	forgotten("a transport")
}

func has(req mcp.Request) bool {
	side, err := sideband.Of(req)
	return side != nil && err == nil
}
