package mcpwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
)

// FuzzReadObject compares ReadObject with encoding/json, which uses the last of repeated
// members.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":{"b":[1,{"c":"}"}]},"d":null}`, "{\n\t\"a\" : -1.5e+3 , \"b\" :\"\\\"\\\\\" \r}", `{"a":"{","a":"]"}`,
		`{"a":1,"a":2}`, `[{"a":1}]`, `"{"`, `null`, `{"\\":true,"\"":false,"":[[]]}`, `{"é":"é","\ud800":1}`, `{"a":[],"b":{},"c":[{}]}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) { // only valid JSON is compared
			return
		}
		var want map[string]json.RawMessage
		isObject := json.Unmarshal(data, &want) == nil && want != nil
		got, err := ReadObject(data)
		switch {
		case errors.Is(err, ErrDuplicate):
			if isObject && bytes.Count(data, []byte{':'}) < 2 {
				t.Errorf("%s: %v", data, err)
			}
		case (err == nil) != isObject:
			t.Errorf("%s: %v", data, err)
		case err == nil && !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return slices.Equal(a, b) }):
			t.Errorf("%s: read as %s", data, got)
		}
	})
}

func TestReadObjectDuplicates(t *testing.T) {
	for data, want := range map[string]error{
		`{"a":1,"a":1}`: ErrDuplicate, `{"a":1,"\u0061":1}`: ErrDuplicate, `{"a":{"b":1},"b":1,"a":2}`: ErrDuplicate,
		`{"a":{"b":1,"b":2}}`: nil, `{"a":"a","b":"a"}`: nil, `{"a":1,"A":1}`: nil, `{"a":["a","a"]}`: nil,
	} {
		if _, err := ReadObject([]byte(data)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", data, err, want)
		}
	}
}
