package mcpserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/wire"
)

// A message is what is read of a request before the SDK reads it.
type message struct {
	id      json.RawMessage
	method  string
	members map[string]json.RawMessage // of the message itself
	params  map[string]json.RawMessage // nil if there are none, or they are no object
}

func readMessage(body []byte) (m message, ok bool) {
	if decode(body, &m.members) != nil || decode(m.members["method"], &m.method) != nil {
		return message{}, false
	}
	m.id = m.members["id"]
	if decode(m.members["params"], &m.params) != nil {
		m.params = nil
	}
	return m, true
}

// version returns the protocol version that the request names itself, "" if none.
func (m *message) version() string {
	var meta map[string]json.RawMessage
	var version string
	if decode(m.params["_meta"], &meta) != nil || decode(meta[mcp.MetaKeyProtocolVersion], &version) != nil {
		return ""
	}
	return version
}

// fill tells the carrier what the SDK drops of the request.
func (m *message) fill(c *carrier) {
	c.id = m.id
	switch m.method {
	case wire.MethodCall:
		c.task = m.params["task"]
	case wire.MethodListen:
		var filter map[string]json.RawMessage
		if decode(m.params["notifications"], &filter) == nil {
			c.taskIDs = filter["taskIds"]
		}
	}
}

// lacksParams reports whether the request may and does lack params. The SDK would
// pass on a nil that its own methods cannot bear: it gets empty ones.
func (m *message) lacksParams() bool {
	return m.method == wire.MethodList && m.params == nil
}

// withParams returns the body of a single request, with params.
func (m *message) withParams(body []byte) []byte {
	if !m.lacksParams() {
		return body
	}
	m.members["params"] = json.RawMessage(`{}`)
	if changed, err := json.Marshal(m.members); err == nil {
		return changed
	}
	return body
}

// refuse returns the error for a tasks/* request that must not reach the SDK. All
// else is the SDK's to judge. The header is nil where there is none.
func (m *message) refuse(header http.Header) *jsonrpc.Error {
	switch m.method {
	case wire.MethodGet, wire.MethodUpdate, wire.MethodCancel, wire.MethodResult:
	case wire.MethodList:
		var cursor *string
		if m.params == nil && !isNull(m.members["params"]) {
			return invalidParams(`"params" is no object`)
		}
		if given, ok := m.params["cursor"]; ok && decode(given, &cursor) != nil {
			return invalidParams(`"cursor" is no string`)
		}
		return m.refuseMeta()
	default:
		return nil
	}
	if m.params == nil {
		return invalidParams(`"params" is missing or no object`)
	}
	var taskID *string
	if err := decode(m.params["taskId"], &taskID); err != nil || taskID == nil {
		return invalidParams(`"taskId" is missing or no string`)
	}
	if header.Get("Mcp-Protocol-Version") >= wire.ExtensionVersion && m.method != wire.MethodResult {
		switch header.Get("Mcp-Name") {
		case *taskID:
		case "":
			return &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header is missing: it must be the taskId"}
		default:
			return &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header does not match the taskId in the body"}
		}
	}
	var responses map[string]json.RawMessage
	if answers, ok := m.params["inputResponses"]; ok && m.method == wire.MethodUpdate && decode(answers, &responses) != nil {
		return invalidParams(`"inputResponses" is no object`)
	}
	return m.refuseMeta()
}

func (m *message) refuseMeta() *jsonrpc.Error {
	var meta map[string]json.RawMessage
	if given, ok := m.params["_meta"]; ok && decode(given, &meta) != nil {
		return invalidParams(`"_meta" is no object`)
	}
	return nil
}

func isNull(value json.RawMessage) bool {
	value = bytes.TrimSpace(value)
	return len(value) == 0 || string(value) == "null"
}

func invalidParams(message string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: message}
}

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
