package mcpclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// httpTransport does over HTTP what the SDK does not do for tasks: it sets the header
// Mcp-Name on tasks/*, adds params.task to a tools/call, and lets a capture record the
// response. Bodies reach the SDK unchanged and without delay.
type httpTransport struct{ next http.RoundTripper }

func (t *httpTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	// The SDK sets Mcp-Method in the protocol versions that have Mcp-Name.
	if strings.HasPrefix(req.Header.Get("Mcp-Method"), "tasks/") {
		req = withTaskName(req)
	}
	captured := captureFrom(req.Context())
	if captured == nil {
		return t.next.RoundTrip(req)
	}
	message := requestIn(req)
	ours := message != nil && message.Method == captured.method
	if ours {
		if captured.asTask {
			var err error
			if req, err = withTaskBody(req, message); err != nil {
				return nil, err
			}
		}
		captured.begin(message.ID)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, captured.explainRoundTrip(req.Context(), ours, err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		_ = resp.Body.Close()
		return nil, &transient{errors.New("HTTP " + resp.Status)}
	case !ours:
	case code == http.StatusNotFound && req.Header.Get("Mcp-Session-Id") != "":
		captured.markSessionGone()
	case code >= 400:
		captured.markStatus(code)
	}
	// A GET with the context of a call resumes the stream of its response.
	if ours || req.Method == http.MethodGet && captured.method == mcpwire.MethodCall {
		tapBody(resp, captured)
	}
	return resp, nil
}

// tapBody lets the capture record the messages in the response's body.
func tapBody(resp *http.Response, captured *capture) {
	switch mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType {
	case "application/json":
		resp.Body = &tappedBody{ReadCloser: resp.Body, tap: &jsonTap{onMessage: captured.recordBytes}}
	case "text/event-stream":
		resp.Body = &tappedBody{ReadCloser: resp.Body, tap: &sseTap{onMessage: captured.recordBytes}}
	}
}

// withTaskBody returns the request with params.task in its body.
func withTaskBody(req *http.Request, call *jsonrpc.Request) (*http.Request, error) {
	body, err := jsonrpc.EncodeMessage(withTaskParam(call))
	if err != nil {
		return nil, err
	}
	_ = req.Body.Close() // a RoundTripper must close it
	req = req.Clone(req.Context())
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(body))
	return req, nil
}

// withTaskName returns the request with the header Mcp-Name, by which gateways route.
func withTaskName(req *http.Request) *http.Request {
	var params mcpwire.TaskParams
	message := requestIn(req)
	if message == nil || json.Unmarshal(message.Params, &params) != nil {
		return req
	}
	req = req.Clone(req.Context()) // a RoundTripper must not modify its request
	req.Header.Set("Mcp-Name", mcpwire.EncodeHeader(params.TaskID))
	return req
}

// requestIn returns the JSON-RPC request in the body, or nil if there is none.
func requestIn(req *http.Request) *jsonrpc.Request {
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	msg, err := jsonrpc.DecodeMessage(data)
	if err != nil {
		return nil
	}
	request, _ := msg.(*jsonrpc.Request)
	return request
}
