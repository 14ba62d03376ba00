package mcpserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// refuse returns the error for a request that must not reach the SDK: one of a tasks/*
// method without params, whose typed nil the SDK cannot bear, one whose header names
// another task, and those of our methods whose params are of the wrong type, which the
// SDK would answer with Go's words. All else is the SDK's to judge. The header is nil
// where there is none.
func (m *message) refuse(header http.Header) *jsonrpc.Error {
	switch m.method {
	case mcpwire.MethodGet, mcpwire.MethodUpdate, mcpwire.MethodCancel, mcpwire.MethodResult:
		return first(m.refuseNoParams, func() *jsonrpc.Error { return m.refuseTask(header) }, m.refuseMeta)
	case mcpwire.MethodList:
		return first(m.refuseList, m.refuseMeta)
	case mcpwire.MethodCall:
		return first(m.refuseNoParams, m.refuseCall, m.refuseMeta)
	case mcpwire.MethodListen:
		return first(m.refuseNoParams, m.refuseListen, m.refuseMeta)
	}
	return nil
}

func first(checks ...func() *jsonrpc.Error) *jsonrpc.Error {
	for _, check := range checks {
		if refusal := check(); refusal != nil {
			return refusal
		}
	}
	return nil
}

func (m *message) refuseNoParams() *jsonrpc.Error {
	if m.params == nil {
		return invalidParams(`"params" is missing or no object`)
	}
	return nil
}

func (m *message) refuseTask(header http.Header) *jsonrpc.Error {
	var taskID *string
	if err := decode(m.params["taskId"], &taskID); err != nil || taskID == nil {
		return invalidParams(`"taskId" is missing or no string`)
	}
	if header.Get("Mcp-Protocol-Version") >= mcpwire.ExtensionVersion && m.method != mcpwire.MethodResult {
		if refusal := refuseName(header["Mcp-Name"], *taskID); refusal != nil {
			return refusal
		}
	}
	var responses map[string]json.RawMessage
	if answers, ok := m.params["inputResponses"]; ok && m.method == mcpwire.MethodUpdate && decode(answers, &responses) != nil {
		return invalidParams(`"inputResponses" is no object`)
	}
	return nil
}

// refuseName compares Mcp-Name with the task's id. Gateways route by the header: of two
// they may have taken either.
func refuseName(names []string, taskID string) *jsonrpc.Error {
	if len(names) == 0 || names[0] == "" {
		return &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header is missing: it must be the taskId"}
	}
	if name, ok := mcpwire.DecodeHeader(names[0]); !ok || len(names) > 1 || name != taskID {
		return &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header does not match the taskId in the body"}
	}
	return nil
}

func (m *message) refuseList() *jsonrpc.Error {
	var cursor *string
	if m.params == nil && !isNull(m.members["params"]) {
		return invalidParams(`"params" is no object`)
	}
	if given, ok := m.params["cursor"]; ok && decode(given, &cursor) != nil {
		return invalidParams(`"cursor" is no string`)
	}
	return nil
}

func (m *message) refuseCall() *jsonrpc.Error {
	var name, state *string
	if decode(m.params["name"], &name) != nil || name == nil {
		return invalidParams(`"name" is missing or no string`)
	}
	var arguments map[string]any
	if given, ok := m.params["arguments"]; ok && json.Unmarshal(given, &arguments) != nil {
		return invalidParams(`"arguments" is no object that can be read`)
	}
	if _, err := readObject(m.params["task"]); errors.Is(err, errTwice) {
		return invalidParams(`a member of "task" is there twice`)
	}
	var responses mcp.InputResponseMap
	if given, ok := m.params["inputResponses"]; ok && json.Unmarshal(given, &responses) != nil {
		return invalidParams(`"inputResponses" is no object of responses`)
	}
	if given, ok := m.params["requestState"]; ok && decode(given, &state) != nil {
		return invalidParams(`"requestState" is no string`)
	}
	return nil
}

func (m *message) refuseListen() *jsonrpc.Error {
	given := m.params["notifications"]
	if _, err := readObject(given); errors.Is(err, errTwice) {
		return invalidParams(`a member of "notifications" is there twice`)
	}
	var notifications mcp.NotificationSubscriptions
	if !isNull(given) && decode(given, &notifications) != nil {
		return invalidParams(`"notifications" cannot be read`)
	}
	return nil
}

func (m *message) refuseMeta() *jsonrpc.Error {
	if m.meta == nil && !isNull(m.params["_meta"]) {
		return invalidParams(`"_meta" is no object`)
	}
	return nil
}

// errBatch is for a batch of a client whose version of the protocol has none.
var errBatch = invalidRequest("a protocol version that has tasks has no batches")

// fill tells the carrier what the SDK drops of the request.
func (m *message) fill(c *carrier) {
	c.id = m.id
	switch m.method {
	case mcpwire.MethodCall:
		c.task = m.params["task"]
	case mcpwire.MethodListen:
		if filter, err := readObject(m.params["notifications"]); err == nil {
			c.taskIDs = filter["taskIds"]
		}
	case mcpwire.MethodGet:
		c.poller = &poller{string(m.meta[mcp.MetaKeyClientInfo]), string(m.meta[mcp.MetaKeyClientCapabilities])}
	}
}

// lacksParams reports whether the request may and does lack params. The SDK would
// pass on a nil that its own methods cannot bear: it gets empty ones.
func (m *message) lacksParams() bool {
	return m.method == mcpwire.MethodList && m.params == nil
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
