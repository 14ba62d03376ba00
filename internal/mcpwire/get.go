package mcpwire

import (
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Get is a tasks/get of ExtensionVersion. Its fields are parts of the body that was read.
type Get struct {
	ID     []byte // as JSON: a string or a number
	TaskID []byte // as text
	Meta   []byte // as JSON

	// The client's description of itself, as JSON. ClientInfo is optional: nil if absent.
	ClientInfo   []byte
	Capabilities []byte
}

// ReadGet reads a tasks/get that is written as clients usually write it: every JSON reader
// reads it alike, and it has no member that the method does not know. If ok is false, the
// body may still be a valid tasks/get.
func ReadGet(body []byte) (get Get, ok bool) {
	s := scanner{data: body, plain: true}
	var version, method, params bool
	s.open('{')
	for first := true; s.more('}', &first); {
		switch key := s.key(); {
		case string(key) == "jsonrpc" && !version:
			version = s.reads("2.0")
		case string(key) == "method" && !method:
			method = s.reads(MethodGet)
		case string(key) == "id" && get.ID == nil:
			get.ID = s.id()
		case string(key) == "params" && !params:
			params = s.params(&get)
		default:
			s.fail()
		}
	}
	return get, s.end() && version && method && params && get.ID != nil && utf8.Valid(body)
}

// reads reads a string and fails if it is not the text.
func (s *scanner) reads(text string) bool {
	if string(s.text()) != text {
		s.fail()
	}
	return !s.failed
}

// id reads a request id. It fails on an id that the SDK would not send back as it is
// written.
func (s *scanner) id() []byte {
	id := s.raw()
	if len(id) == 0 || id[0] != '"' && (id[0] < '0' || id[0] > '9') {
		s.fail()
	}
	for _, c := range id {
		if c >= utf8.RuneSelf {
			s.fail()
		}
	}
	return id
}

// params reads the params. It fails on repeated, unknown and missing members.
func (s *scanner) params(get *Get) bool {
	task, meta := false, false
	s.open('{')
	for first := true; s.more('}', &first); {
		switch key := s.key(); {
		case string(key) == "taskId" && !task:
			get.TaskID, task = s.text(), true
		case string(key) == "_meta" && !meta:
			s.peek()
			start := s.at
			meta = s.meta(get)
			get.Meta = s.data[start:s.at]
		default:
			s.fail()
		}
	}
	if !task || !meta {
		s.fail()
	}
	return !s.failed
}

// meta reads a _meta of at most eight members. It fails on repeated members.
func (s *scanner) meta(get *Get) bool {
	var known [8][]byte
	keys := known[:0]
	version := false
	s.open('{')
	for first := true; s.more('}', &first); {
		key := s.key()
		for _, other := range keys {
			if string(key) == string(other) {
				s.fail()
			}
		}
		if keys = append(keys, key); len(keys) > len(known) {
			s.fail()
		}
		switch string(key) {
		case mcp.MetaKeyProtocolVersion:
			version = s.reads(ExtensionVersion)
		case mcp.MetaKeyClientInfo:
			get.ClientInfo = s.raw()
		case mcp.MetaKeyClientCapabilities:
			get.Capabilities = s.raw()
		default:
			s.value()
		}
	}
	if !version || get.Capabilities == nil {
		s.fail()
	}
	return !s.failed
}
