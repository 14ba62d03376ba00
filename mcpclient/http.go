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

	"github.com/mcptasks/mcptasks/internal/wire"
)

// httpTransport does over HTTP what the SDK does not do for tasks: it names the
// task in the headers of tasks/*, gives a tools/call params.task, and shows an
// awaited answer what comes of its request. Bodies that come pass unchanged and as
// they come.
type httpTransport struct{ next http.RoundTripper }

func (t *httpTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	// The SDK sets Mcp-Method from the version that has Mcp-Name on.
	if strings.HasPrefix(req.Header.Get("Mcp-Method"), "tasks/") {
		req = nameTask(req)
	}
	answer := awaited(req.Context())
	if answer == nil {
		return t.next.RoundTrip(req)
	}
	call := sentRequest(req)
	mine := call != nil && call.Method == answer.method
	if mine {
		if answer.asTask {
			var err error
			if req, err = withTask(req, call); err != nil {
				return nil, err
			}
		}
		answer.expect(call.ID)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, answer.roundTripError(req.Context(), mine, err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		_ = resp.Body.Close()
		return nil, &trouble{errors.New("HTTP " + resp.Status)}
	case !mine:
	case code == http.StatusNotFound && req.Header.Get("Mcp-Session-Id") != "":
		answer.sessionMissing()
	case code >= 400:
		answer.failed(code)
	}
	// A GET with the call's context resumes the stream of its answer.
	if !mine && (req.Method != http.MethodGet || answer.method != wire.MethodCall) {
		return resp, nil
	}
	switch mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType {
	case "application/json":
		resp.Body = &heardBody{ReadCloser: resp.Body, ear: &document{heard: answer.hear}}
	case "text/event-stream":
		resp.Body = &heardBody{ReadCloser: resp.Body, ear: &events{heard: answer.hear}}
	}
	return resp, nil
}

// withTask returns the request with params.task, which asks for a task.
func withTask(req *http.Request, call *jsonrpc.Request) (*http.Request, error) {
	body, err := jsonrpc.EncodeMessage(askingForTask(call))
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

// nameTask returns the request with Mcp-Name, which gateways route by.
func nameTask(req *http.Request) *http.Request {
	var params wire.TaskParams
	call := sentRequest(req)
	if call == nil || json.Unmarshal(call.Params, &params) != nil {
		return req
	}
	req = req.Clone(req.Context()) // a RoundTripper must not modify its request
	req.Header.Set("Mcp-Name", wire.EncodeHeader(params.TaskID))
	return req
}

// sentRequest returns the JSON-RPC request in the body, or nil if there is none.
func sentRequest(req *http.Request) *jsonrpc.Request {
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

// hear offers the answer a message as it came. What is malformed is for the SDK to
// report.
func (a *answer) hear(data []byte) {
	if msg, err := jsonrpc.DecodeMessage(data); err == nil {
		a.offer(msg)
	}
}
