package message

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Check returns the error for a request that must not reach the SDK. That is one of a
// tasks/* method without params, whose typed nil makes the SDK panic; one whose Mcp-Name
// header names another task; and one of a method of ours whose params are of the wrong
// type, which the SDK would answer with Go's words. The SDK judges all else. The header
// is nil where there is none.
func (m *Message) Check(header http.Header) *jsonrpc.Error {
	switch m.Method {
	case mcpwire.MethodGet, mcpwire.MethodUpdate, mcpwire.MethodCancel, mcpwire.MethodResult:
		return first(m.CheckParams, func() *jsonrpc.Error { return m.checkTask(header) }, m.checkMeta)
	case mcpwire.MethodList:
		return first(m.checkList, m.checkMeta)
	case mcpwire.MethodCall:
		return first(m.CheckParams, m.checkCall, m.checkMeta)
	case mcpwire.MethodListen:
		return first(m.CheckParams, m.checkListen, m.checkMeta)
	}
	return nil
}

func first(checks ...func() *jsonrpc.Error) *jsonrpc.Error {
	for _, check := range checks {
		if rejection := check(); rejection != nil {
			return rejection
		}
	}
	return nil
}

// CheckParams returns the error for a request without params.
func (m *Message) CheckParams() *jsonrpc.Error {
	if m.params == nil {
		return mcpwire.InvalidParams(`"params" is missing or not an object`)
	}
	return nil
}

func (m *Message) checkTask(header http.Header) *jsonrpc.Error {
	var taskID *string
	if err := mcpwire.Decode(m.params["taskId"], &taskID); err != nil || taskID == nil {
		return mcpwire.InvalidParams(`"taskId" is missing or not a string`)
	}
	if header.Get("Mcp-Protocol-Version") >= mcpwire.ExtensionVersion && m.Method != mcpwire.MethodResult {
		if rejection := mcpwire.CheckName(header["Mcp-Name"], *taskID); rejection != nil {
			return rejection
		}
	}
	var responses map[string]json.RawMessage
	if answers, ok := m.params["inputResponses"]; ok && m.Method == mcpwire.MethodUpdate && mcpwire.Decode(answers, &responses) != nil {
		return mcpwire.InvalidParams(`"inputResponses" is not an object`)
	}
	return nil
}

func (m *Message) checkList() *jsonrpc.Error {
	var cursor *string
	if m.params == nil && !mcpwire.IsNull(m.members["params"]) {
		return mcpwire.InvalidParams(`"params" is not an object`)
	}
	if given, ok := m.params["cursor"]; ok && mcpwire.Decode(given, &cursor) != nil {
		return mcpwire.InvalidParams(`"cursor" is not a string`)
	}
	return nil
}

func (m *Message) checkCall() *jsonrpc.Error {
	var name, state *string
	if mcpwire.Decode(m.params["name"], &name) != nil || name == nil {
		return mcpwire.InvalidParams(`"name" is missing or not a string`)
	}
	var arguments map[string]any
	if given, ok := m.params["arguments"]; ok && json.Unmarshal(given, &arguments) != nil {
		return mcpwire.InvalidParams(`"arguments" is not an object that can be read`)
	}
	if _, err := mcpwire.ReadObject(m.params["task"]); errors.Is(err, mcpwire.ErrDuplicate) {
		return mcpwire.InvalidParams(`"task" has a member twice`)
	}
	var responses mcp.InputResponseMap
	if given, ok := m.params["inputResponses"]; ok && json.Unmarshal(given, &responses) != nil {
		return mcpwire.InvalidParams(`"inputResponses" is not an object of responses`)
	}
	if given, ok := m.params["requestState"]; ok && mcpwire.Decode(given, &state) != nil {
		return mcpwire.InvalidParams(`"requestState" is not a string`)
	}
	return nil
}

func (m *Message) checkListen() *jsonrpc.Error {
	given := m.params["notifications"]
	if _, err := mcpwire.ReadObject(given); errors.Is(err, mcpwire.ErrDuplicate) {
		return mcpwire.InvalidParams(`"notifications" has a member twice`)
	}
	var notifications mcp.NotificationSubscriptions
	if !mcpwire.IsNull(given) && mcpwire.Decode(given, &notifications) != nil {
		return mcpwire.InvalidParams(`"notifications" cannot be read`)
	}
	return nil
}

func (m *Message) checkMeta() *jsonrpc.Error {
	if m.meta == nil && !mcpwire.IsNull(m.params["_meta"]) {
		return mcpwire.InvalidParams(`"_meta" is not an object`)
	}
	return nil
}

// ErrBatch is for a batch whose protocol version has none.
var ErrBatch = mcpwire.InvalidRequest("a protocol version that has tasks has no batches")

// Fill sets what the SDK drops of the request.
func (m *Message) Fill(s *sideband.Sideband) {
	s.ID = m.ID
	switch m.Method {
	case mcpwire.MethodCall:
		s.Task = m.params["task"]
	case mcpwire.MethodListen:
		if filter, err := mcpwire.ReadObject(m.params["notifications"]); err == nil {
			s.TaskIDs = filter["taskIds"]
		}
	case mcpwire.MethodGet:
		s.IsPoll = true
		s.ClientInfo, s.Capabilities = m.meta[mcp.MetaKeyClientInfo], m.meta[mcp.MetaKeyClientCapabilities]
	}
}
