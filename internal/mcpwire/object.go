package mcpwire

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Errors of [ReadObject].
var (
	ErrNotObject = errors.New("not a JSON object")
	ErrDuplicate = errors.New("duplicate member name")
)

// ReadObject returns the members of a JSON object. Their values are parts of data. It
// returns ErrDuplicate for a repeated member name: some decoders use the first value, some
// the last, and some both. It does not look for repeated names in nested objects. It
// returns ErrNotObject for data that is not one valid JSON object, or that is nested deeper
// than encoding/json reads.
func ReadObject(data []byte) (map[string]json.RawMessage, error) {
	s := scanner{data: data, maxDepth: maxBodyDepth}
	members := make(map[string]json.RawMessage)
	var name string
	s.open('{')
	for first := true; s.more('}', &first); {
		key := s.text()
		s.accept(':')
		value := s.raw()
		if s.failed || !unquote(key, &name) {
			return nil, ErrNotObject
		}
		if _, duplicate := members[name]; duplicate {
			return nil, ErrDuplicate
		}
		members[name] = value
	}
	if !s.end() {
		return nil, ErrNotObject
	}
	return members, nil
}

// ReadValue returns the first JSON value of data, without the white space around it. It
// ignores the rest of data, as the SDK does.
func ReadValue(data []byte) (value json.RawMessage, ok bool) {
	s := scanner{data: data, maxDepth: maxBodyDepth}
	value = s.raw()
	return value, !s.failed
}

// unquote decodes the text between a string's quotes.
func unquote(text []byte, to *string) bool {
	if bytes.IndexByte(text, '\\') < 0 {
		*to = string(text)
		return true
	}
	return json.Unmarshal(append(append([]byte{'"'}, text...), '"'), to) == nil
}

// Decode decodes the first JSON value of data.
func Decode(data []byte, v any) error { return json.NewDecoder(bytes.NewReader(data)).Decode(v) }

// IsNull reports whether a member is absent or null.
func IsNull(value json.RawMessage) bool {
	value = bytes.TrimSpace(value)
	return len(value) == 0 || string(value) == "null"
}
