package mcpwire

import (
	"encoding/json"
	"testing"
)

// pollBody is a poll as clients write it.
const pollBody = `{"jsonrpc":"2.0","id":17,"method":"tasks/get","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"example-client","version":"1.4.2"},` +
	`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}},` +
	`"taskId":"0198f000-0000-7000-8000-000000000000"}}`

// BenchmarkReadGet reads a poll, as ReadGet does and as encoding/json can. encoding/json
// does less: it accepts duplicates, unknown members and names in another case.
func BenchmarkReadGet(b *testing.B) {
	body := []byte(pollBody)
	b.Run("scanner", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if get, ok := ReadGet(body); !ok || get.ClientInfo == nil {
				b.Fatal("the body was not read")
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var get struct {
				Version string          `json:"jsonrpc"`
				ID      json.RawMessage `json:"id"`
				Method  string          `json:"method"`
				Params  struct {
					TaskID string          `json:"taskId"`
					Meta   json.RawMessage `json:"_meta"`
				} `json:"params"`
			}
			var meta struct {
				Version      string          `json:"io.modelcontextprotocol/protocolVersion"`
				ClientInfo   json.RawMessage `json:"io.modelcontextprotocol/clientInfo"`
				Capabilities json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
			}
			if json.Unmarshal(body, &get) != nil || json.Unmarshal(get.Params.Meta, &meta) != nil || meta.ClientInfo == nil {
				b.Fatal("the body was not read")
			}
		}
	})
}

// BenchmarkReadObject reads the members of a poll's body, as ReadObject does and as
// encoding/json can. encoding/json does less: it accepts duplicates.
func BenchmarkReadObject(b *testing.B) {
	body := []byte(pollBody)
	b.Run("scanner", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if members, err := ReadObject(body); err != nil || len(members) != 4 {
				b.Fatal(members, err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var members map[string]json.RawMessage
			if err := json.Unmarshal(body, &members); err != nil || len(members) != 4 {
				b.Fatal(members, err)
			}
		}
	})
}
