package mcpwire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const plainGet = `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"task","_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"client","version":"1"},` +
	`"io.modelcontextprotocol/clientCapabilities":{"extensions":{}},"progressToken":[7,-1,true,null]}}}`

func TestReadGet(t *testing.T) {
	get, ok := ReadGet([]byte(plainGet))
	want := Get{ID: []byte("1"), TaskID: []byte("task"), ClientInfo: []byte(`{"name":"client","version":"1"}`), Capabilities: []byte(`{"extensions":{}}`)}
	if !ok || string(get.ID) != string(want.ID) || string(get.TaskID) != string(want.TaskID) || string(get.ClientInfo) != string(want.ClientInfo) ||
		string(get.Capabilities) != string(want.Capabilities) || !bytes.HasPrefix(get.Meta, []byte(`{"io.`)) || !bytes.HasSuffix(get.Meta, []byte(`null]}`)) {
		t.Errorf("%s was read as %s", plainGet, get)
	}
	for member, duplicate := range map[string]string{
		`"jsonrpc":"2.0"`: `"jsonrpc":"1.0"`, `"id":1`: `"id":1`, `"method":"tasks/get"`: `"method":"tasks/cancel"`, `"params":{`: `"params":{"taskId":"other"}`,
		`"taskId":"task"`: `"taskId":"other"`, `"_meta":{`: `"_meta":{}`, `"name":"client"`: ``,
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28"`: `"io.modelcontextprotocol/protocolVersion":"2025-11-25"`,
		`"io.modelcontextprotocol/clientCapabilities":{`:         `"io.modelcontextprotocol/clientCapabilities":{}`,
	} {
		for _, body := range []string{strings.Replace(plainGet, member, duplicate+","+member, 1), strings.Replace(plainGet, member, member[:len(member)-1], 1)} {
			if _, ok := ReadGet([]byte(body)); ok {
				t.Errorf("%s was read", body)
			}
		}
	}
}

// FuzzReadGet compares ReadGet with the SDK's and encoding/json's reading of the same body.
func FuzzReadGet(f *testing.F) {
	f.Add([]byte(plainGet))
	f.Add([]byte(" " + strings.ReplaceAll(plainGet, ":", " :\n") + "\t"))
	f.Add([]byte(strings.Replace(plainGet, `"id":1`, `"id":"a"`, 1)))
	f.Add([]byte(strings.Replace(plainGet, `"task"`, `"t☃"`, 1)))
	f.Add([]byte(strings.Replace(plainGet, `"task"`, "\"\xff\"", 1)))
	f.Add([]byte(strings.Replace(plainGet, `{"name"`, `{"x":-0.5e9,"name"`, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		get, ok := ReadGet(body)
		if !ok {
			return
		}
		decoded, err := jsonrpc.DecodeMessage(body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		request := decoded.(*jsonrpc.Request)
		id, _ := json.Marshal(request.ID.Raw())
		var sent string
		if json.Unmarshal(get.ID, &sent) == nil {
			id, _ = json.Marshal(sent)
		}
		var params struct {
			TaskID string         `json:"taskId"`
			Meta   map[string]any `json:"_meta"`
		}
		if err := json.Unmarshal(request.Params, &params); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		same := func(part []byte, key string) bool {
			value, ok := params.Meta[key]
			if !ok || part == nil {
				return !ok && part == nil
			}
			var own any
			err := json.Unmarshal(part, &own)
			a, _ := json.Marshal(own)
			b, _ := json.Marshal(value)
			return err == nil && string(a) == string(b)
		}
		if request.Method != MethodGet || !bytes.Equal(id, get.ID) && sent == "" && string(get.ID) != `""` || params.TaskID != string(get.TaskID) ||
			params.Meta[mcp.MetaKeyProtocolVersion] != ExtensionVersion || !json.Valid(get.Meta) ||
			!same(get.ClientInfo, mcp.MetaKeyClientInfo) || !same(get.Capabilities, mcp.MetaKeyClientCapabilities) {
			t.Errorf("%s was read as %s", body, get)
		}
	})
}

// FuzzIsCompact compares isCompact with encoding/json.
func FuzzIsCompact(f *testing.F) {
	for _, data := range []string{
		`{}`, `[]`, `{"a":[1,-2.5e+3,{"b":null}],"c":"\u00e9\n"}`, `"a b"`, `true`, `-0`, ` 1`, `1 `, `[1, 2]`, ``, `01`, `1.`, `"`, `"\`, `"\u12`, `{"a"}`, `[1,]`, `{,}`,
		"\"\x1f\"", "\"\xff\"", `nul`, `{}x`, "1\x00", `-`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var compact bytes.Buffer
		err := json.Compact(&compact, data)
		want := err == nil && bytes.Equal(compact.Bytes(), data)
		got := isCompact(data)
		if got && !want || want && !got && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) < maxScanDepth {
			t.Errorf("%q is compact: %t", data, got)
		}
	})
}
