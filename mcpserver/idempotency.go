package mcpserver

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// toolUseID is the member of _meta by which Claude Code names a call.
const toolUseID = "claudecode/toolUseId"

// idempotencyKey returns the key by which a repeated call is known, "" if it has
// none: the Idempotency-Key header, Options.IdempotencyMetaKey or toolUseID. Over HTTP
// a client without an owner has none: it would share its keys with everybody.
func (m *mount) idempotencyKey(req *mcp.CallToolRequest, owner mcptasks.Owner) string {
	header := ""
	if extra := req.GetExtra(); overHTTP(extra) {
		if owner == "" {
			return ""
		}
		header = extra.Header.Get("Idempotency-Key")
	}
	if header != "" {
		return "header " + header
	}
	for _, name := range []string{m.opts.IdempotencyMetaKey, toolUseID} {
		if key, _ := req.Params.Meta[name].(string); name != "" && key != "" {
			return name + " " + key
		}
	}
	return ""
}
