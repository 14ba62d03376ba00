package endpoint

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A push stream that no request of its session uses ends with its GET. Otherwise only the end
// of the session would end it.
func TestUnusedStreamEnds(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	h := New(func(*http.Request) *mcp.Server { return server }, mcp.StreamableHTTPOptions{}, nil).(*handler)
	srv := httptest.NewServer(h)
	defer srv.Close()

	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
	session := send(t, srv, t.Context(), http.MethodPost, "", initialize).Header.Get(sessionHeader)
	if session == "" {
		t.Fatal("there is no session")
	}
	send(t, srv, t.Context(), http.MethodPost, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)

	for _, used := range []bool{false, true} {
		ctx, hangUp := context.WithCancel(t.Context())
		send(t, srv, ctx, http.MethodGet, session, "")
		h.mu.Lock()
		stream := h.streams[session]
		h.mu.Unlock()
		if stream == nil {
			t.Fatal("there is no push stream")
		}
		if used {
			h.stream(session, true) // as a request that needs the stream does
		}
		open := stream.WhileOpen()
		hangUp()
		<-open.Done()
		if used {
			if stream.Context().Err() != nil {
				t.Error("a stream that a request uses has ended with its GET")
			}
		} else {
			select {
			case <-stream.Context().Done():
			case <-time.After(10 * time.Second):
				t.Fatal("a stream that no request uses goes on without its GET")
			}
		}
	}
}

// send returns the response. Its body may still be open.
func send(t *testing.T, srv *httptest.Server, ctx context.Context, method, session, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, srv.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"},
	}
	if session != "" {
		req.Header.Set(sessionHeader, session)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}
