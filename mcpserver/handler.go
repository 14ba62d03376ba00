package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/wire"
)

// HandlerOptions describe an endpoint. Nil works.
type HandlerOptions struct {
	// StreamableHTTP is passed on to the SDK's handler. Stateless is set
	// whatever it says: the extension's protocol version has no sessions.
	StreamableHTTP mcp.StreamableHTTPOptions
}

// NewHandler returns a Streamable HTTP endpoint for servers with mounted tools, as
// [mcp.NewStreamableHTTPHandler] does for others. Besides it checks what the SDK
// does not know of tasks/* requests: that params are there, and that the Mcp-Name
// header is the task's id (-32020 and HTTP 400 otherwise).
func NewHandler(getServer func(*http.Request) *mcp.Server, opts *HandlerOptions) http.Handler {
	var options mcp.StreamableHTTPOptions
	if opts != nil {
		options = opts.StreamableHTTP
	}
	options.Stateless = true
	if options.MaxRequestBodyBytes == 0 {
		options.MaxRequestBodyBytes = mcp.DefaultMaxRequestBodyBytes
	}
	return &handler{next: mcp.NewStreamableHTTPHandler(getServer, &options), maxBody: options.MaxRequestBodyBytes}
}

type handler struct {
	next    http.Handler
	maxBody int64
}

func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.Body == nil {
		h.next.ServeHTTP(w, req)
		return
	}
	if h.maxBody > 0 {
		req.Body = http.MaxBytesReader(w, req.Body, h.maxBody)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, fmt.Sprintf("request body exceeds %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "the request body could not be read", http.StatusBadRequest)
		return
	}
	if id, refusal := refuse(req.Header, body); refusal != nil {
		writeError(w, id, refusal)
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	h.next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), clientKey{}, req.Context())))
}

// clientKey is where the HTTP request's own context is: the SDK's, which derives
// from it, does not end with it.
type clientKey struct{}

// refuse returns the error for a tasks/* request that must not reach the SDK. All
// else is the SDK's to judge. The body is read as the SDK reads it: keys match
// exactly, what follows the first value is ignored, and it may be a batch.
func refuse(header http.Header, body []byte) (id json.RawMessage, refusal *jsonrpc.Error) {
	var messages []json.RawMessage
	if decode(body, &messages) != nil {
		messages = []json.RawMessage{body}
	}
	for _, message := range messages {
		if id, refusal := refuseRequest(header, message); refusal != nil {
			return id, refusal
		}
	}
	return nil, nil
}

func refuseRequest(header http.Header, message json.RawMessage) (id json.RawMessage, refusal *jsonrpc.Error) {
	var request map[string]json.RawMessage
	var method string
	if decode(message, &request) != nil || decode(request["method"], &method) != nil {
		return nil, nil
	}
	switch method {
	case wire.MethodGet, wire.MethodUpdate, wire.MethodCancel:
	default:
		return nil, nil
	}
	id = request["id"]

	var params map[string]json.RawMessage
	if err := decode(request["params"], &params); err != nil || params == nil {
		return id, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: `"params" is missing or no object`}
	}
	if header.Get("Mcp-Protocol-Version") < wire.ExtensionVersion {
		return nil, nil
	}
	var taskID *string
	if err := decode(params["taskId"], &taskID); err != nil || taskID == nil {
		return id, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: `"taskId" is missing or no string`}
	}
	switch header.Get("Mcp-Name") {
	case *taskID:
		var responses map[string]json.RawMessage
		if answers, ok := params["inputResponses"]; ok && method == wire.MethodUpdate && decode(answers, &responses) != nil {
			return id, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: `"inputResponses" is no object`}
		}
		return nil, nil
	case "":
		return id, &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header is missing: it must be the taskId"}
	default:
		return id, &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header does not match the taskId in the body"}
	}
}

func decode(data []byte, v any) error { return json.NewDecoder(bytes.NewReader(data)).Decode(v) }

// writeError answers with an error and the request's id, left out where it is no
// string or number: null would not be valid.
func writeError(w http.ResponseWriter, id json.RawMessage, refusal *jsonrpc.Error) {
	answer := struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   *jsonrpc.Error  `json:"error"`
	}{Version: "2.0", Error: refusal}
	if len(id) > 0 && strings.ContainsRune(`"-0123456789`, rune(id[0])) {
		answer.ID = id
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(answer) // the client has gone; there is nobody to tell
}
