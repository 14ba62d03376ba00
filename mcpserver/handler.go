package mcpserver

import (
	"bytes"
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
	h.next.ServeHTTP(w, req)
}

// refuse returns the error for a tasks/* request that must not reach the SDK. All
// else is the SDK's to judge.
func refuse(header http.Header, body []byte) (id json.RawMessage, refusal *jsonrpc.Error) {
	var request struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params *struct {
			TaskID *string `json:"taskId"`
		} `json:"params"`
	}
	// A taskId that is no string is an error here and, with params, the SDK's.
	err := json.Unmarshal(body, &request)
	switch request.Method {
	case wire.MethodGet, wire.MethodUpdate, wire.MethodCancel:
	default:
		return nil, nil
	}
	if request.Params == nil {
		return request.ID, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: `missing required "params"`}
	}
	if err != nil || header.Get("Mcp-Protocol-Version") < wire.ExtensionVersion {
		return nil, nil
	}
	if request.Params.TaskID == nil {
		return request.ID, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: `missing required "taskId"`}
	}
	if name := header.Get("Mcp-Name"); name != *request.Params.TaskID {
		message := "the Mcp-Name header does not match the taskId in the body"
		if name == "" {
			message = "the Mcp-Name header is missing: it must be the taskId"
		}
		return request.ID, &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: message}
	}
	return nil, nil
}

// writeError answers with an error and the request's id, left out where there is
// none to echo: null would not be valid.
func writeError(w http.ResponseWriter, id json.RawMessage, refusal *jsonrpc.Error) {
	answer := struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   *jsonrpc.Error  `json:"error"`
	}{Version: "2.0", Error: refusal}
	if trimmed := strings.TrimSpace(string(id)); trimmed != "" && trimmed != "null" {
		answer.ID = id
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(answer) // the client has gone; there is nobody to tell
}
