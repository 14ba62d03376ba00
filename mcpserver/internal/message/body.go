// Package message reads a client's JSON-RPC messages before the SDK does. It rejects what
// the SDK could not read, whose error would name Go's types, and what the two could read
// differently: a check of one member must not let another one pass. It takes from a
// message what the SDK drops. It knows neither sessions nor tasks.
package message

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// A Message is what is read of a message before the SDK reads it. Member names are
// compared exactly, as the SDK compares them.
type Message struct {
	ID     json.RawMessage
	Method string // "" for a response

	members map[string]json.RawMessage // of the message itself
	params  map[string]json.RawMessage // nil if there are no params, or they are not an object
	meta    map[string]json.RawMessage // params._meta, nil in the same cases
}

// A Body is what a client posted.
type Body struct {
	Data     json.RawMessage // the first JSON value; the SDK ignores what is after it
	Messages []Message
	Batch    bool
}

// Read reads and checks a body. It returns the error to answer with if the SDK must not
// see the body.
func Read(data []byte) (*Body, *jsonrpc.Error) {
	if !utf8.Valid(data) {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the body is not UTF-8"}
	}
	value, ok := mcpwire.ReadValue(data)
	if !ok {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the body is not JSON"}
	}
	b := &Body{Data: value, Batch: value[0] == '['}
	var bodies []json.RawMessage
	if !b.Batch {
		bodies = append(bodies, value)
	} else if mcpwire.Decode(value, &bodies) != nil || len(bodies) == 0 {
		return nil, mcpwire.InvalidRequest("the batch is empty")
	}
	for _, data := range bodies {
		m, rejection := readMessage(data)
		if rejection != nil {
			return nil, rejection
		}
		b.Messages = append(b.Messages, m)
	}
	return b, nil
}

func readMessage(data []byte) (m Message, rejection *jsonrpc.Error) {
	members, err := mcpwire.ReadObject(data)
	if errors.Is(err, mcpwire.ErrDuplicate) {
		return m, mcpwire.InvalidRequest("the message has a member twice")
	}
	_, unreadable := jsonrpc.DecodeMessage(data)
	method, isRequest := members["method"]
	if err != nil || unreadable != nil || isRequest && mcpwire.IsNull(method) {
		return m, mcpwire.InvalidRequest("this is not a JSON-RPC 2.0 message, or it is nested too deep")
	}
	m.members, m.ID = members, members["id"]
	_ = mcpwire.Decode(method, &m.Method) // a response has none
	return m, m.readParams()
}

// FromRequest reads and checks the params of a request that the SDK has decoded.
func FromRequest(req *jsonrpc.Request) (*Message, *jsonrpc.Error) {
	m := &Message{Method: req.Method, members: map[string]json.RawMessage{"params": req.Params}}
	m.ID, _ = json.Marshal(req.ID.Raw())
	return m, m.readParams()
}

// readParams reads the params as far as they are objects.
func (m *Message) readParams() (rejection *jsonrpc.Error) {
	var err error
	if m.params, err = mcpwire.ReadObject(m.members["params"]); errors.Is(err, mcpwire.ErrDuplicate) {
		return mcpwire.InvalidParams(`"params" has a member twice`)
	}
	if m.meta, err = mcpwire.ReadObject(m.params["_meta"]); errors.Is(err, mcpwire.ErrDuplicate) {
		return mcpwire.InvalidParams(`"_meta" has a member twice`)
	}
	return nil
}

// Version returns the protocol version that the request itself names, "" if it names none.
func (m *Message) Version() string {
	var version string
	if mcpwire.Decode(m.meta[mcp.MetaKeyProtocolVersion], &version) != nil {
		return ""
	}
	return version
}

// LacksParams reports whether the request may lack params and does. The SDK would pass
// on a nil that its own methods cannot handle, so it gets empty params.
func (m *Message) LacksParams() bool {
	return m.Method == mcpwire.MethodList && m.params == nil
}

// WithParams returns the body of a single request, with params.
func (m *Message) WithParams(body []byte) []byte {
	if !m.LacksParams() {
		return body
	}
	m.members["params"] = json.RawMessage(`{}`)
	if changed, err := json.Marshal(m.members); err == nil {
		return changed
	}
	return body
}

// WriteError answers a request with an error and HTTP 400. It leaves out an id that is
// neither a string nor a number: null would not be valid.
func WriteError(w http.ResponseWriter, id json.RawMessage, rejection *jsonrpc.Error) {
	answer := struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   *jsonrpc.Error  `json:"error"`
	}{Version: "2.0", Error: rejection}
	if len(id) > 0 && strings.ContainsRune(`"-0123456789`, rune(id[0])) {
		answer.ID = id
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(answer) // if this fails, the client has gone
}
