package mcpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A message is what is read of a request before the SDK reads it.
type message struct {
	id      json.RawMessage
	method  string
	members map[string]json.RawMessage // of the message itself
	params  map[string]json.RawMessage // nil if there are none, or they are no object
	meta    map[string]json.RawMessage // params._meta in the same way
}

// A body is what a client posted.
type body struct {
	data     json.RawMessage // the first value; what follows is ignored
	messages []message
	batch    bool
}

// readBody reads a body before the SDK does, with exact keys, as it does. It refuses
// what the SDK could not read, whose answer would name Go's types, and what the two
// could read differently: a check that is made of one member must not let pass another.
func readBody(data []byte) (*body, *jsonrpc.Error) {
	b := &body{}
	if !utf8.Valid(data) {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the body is not UTF-8"}
	}
	if decode(data, &b.data) != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the body is not JSON"}
	}
	var bodies []json.RawMessage
	if b.batch = b.data[0] == '['; !b.batch {
		bodies = []json.RawMessage{b.data}
	} else if decode(b.data, &bodies) != nil || len(bodies) == 0 {
		return nil, invalidRequest("the batch is empty")
	}
	for _, data := range bodies {
		m, refusal := readMessage(data)
		if refusal != nil {
			return nil, refusal
		}
		b.messages = append(b.messages, m)
	}
	return b, nil
}

func readMessage(data []byte) (m message, refusal *jsonrpc.Error) {
	members, err := readObject(data)
	if errors.Is(err, errTwice) {
		return m, invalidRequest("a member of the message is there twice")
	}
	_, unreadable := jsonrpc.DecodeMessage(data)
	method, isRequest := members["method"]
	if err != nil || unreadable != nil || isRequest && isNull(method) {
		return m, invalidRequest("this is no JSON-RPC 2.0 message, or it is nested too deep")
	}
	m.members, m.id = members, members["id"]
	_ = decode(method, &m.method) // a response has none
	return m, m.readParams()
}

// readParams reads the params as far as they are objects.
func (m *message) readParams() (refusal *jsonrpc.Error) {
	var err error
	if m.params, err = readObject(m.members["params"]); errors.Is(err, errTwice) {
		return invalidParams(`a member of "params" is there twice`)
	}
	if m.meta, err = readObject(m.params["_meta"]); errors.Is(err, errTwice) {
		return invalidParams(`a member of "_meta" is there twice`)
	}
	return nil
}

// version returns the protocol version that the request names itself, "" if none.
func (m *message) version() string {
	var version string
	if decode(m.meta[mcp.MetaKeyProtocolVersion], &version) != nil {
		return ""
	}
	return version
}

var (
	errNoObject = errors.New("not a JSON object")
	errTwice    = errors.New("a member is there twice")
)

// readObject returns the members of an object in a body that is JSON. Of a member that
// is there twice some decoders take the first, some the last, and some both.
func readObject(data []byte) (map[string]json.RawMessage, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return nil, errNoObject
	}
	members := make(map[string]json.RawMessage)
	for data = next(data[1:]); data[0] != '}'; data = next(data) {
		key := data[:valueEnd(data)]
		data = next(data[len(key):]) // the colon
		value := data[:valueEnd(data)]
		data = data[len(value):]

		var name string
		if err := json.Unmarshal(key, &name); err != nil {
			return nil, errNoObject
		}
		if _, twice := members[name]; twice {
			return nil, errTwice
		}
		members[name] = value
	}
	return members, nil
}

// next returns what follows space, commas and colons.
func next(data []byte) []byte { return bytes.TrimLeft(data, " \t\r\n,:") }

// valueEnd returns where the value ends with which data, that is JSON, begins.
func valueEnd(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 { // of what the value is in
				return i
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default: // within a number, true, false or null
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(data)
}

func decode(data []byte, v any) error { return json.NewDecoder(bytes.NewReader(data)).Decode(v) }

func isNull(value json.RawMessage) bool {
	value = bytes.TrimSpace(value)
	return len(value) == 0 || string(value) == "null"
}

func invalidRequest(message string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: message}
}

func invalidParams(message string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: message}
}
