package call

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// toolUseID is the member of _meta by which Claude Code names a call.
const toolUseID = "claudecode/toolUseId"

// idempotencyKey returns the key by which a repeated call is recognized: the
// Idempotency-Key header, Options.IdempotencyMetaKey or toolUseID. It returns "" if the
// call has none. Over HTTP a client without an owner has none: it would share its keys
// with all other clients.
func (c *Calls) idempotencyKey(req *mcp.CallToolRequest, owner mcptasks.Owner) string {
	header := ""
	if extra := req.GetExtra(); sideband.IsHTTP(extra) {
		if owner == "" {
			return ""
		}
		header = extra.Header.Get("Idempotency-Key")
	}
	if header != "" {
		return "header " + header
	}
	for _, name := range []string{c.options.IdempotencyMetaKey, toolUseID} {
		if key, _ := req.Params.Meta[name].(string); name != "" && key != "" {
			return name + " " + key
		}
	}
	return ""
}
