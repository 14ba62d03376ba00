package mcpserver

import (
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/wire"
)

// taskGeneration is which of MCP's task protocols a request belongs to.
type taskGeneration int

const (
	none taskGeneration = iota
	extension
)

// generation reads the request's own _meta: the SDK's ProtocolVersion falls back
// to the session, and panics where params are missing.
func generation(req mcp.Request) taskGeneration {
	if version, _ := meta(req)[mcp.MetaKeyProtocolVersion].(string); version >= wire.ExtensionVersion {
		return extension
	}
	return none
}

// declares reports whether the request's client said that it knows the extension.
// It says so on each request (SEP-2663, Capability Negotiation).
func declares(req mcp.Request) bool {
	if generation(req) != extension {
		return false
	}
	capabilities, _ := meta(req)[mcp.MetaKeyClientCapabilities].(map[string]any)
	extensions, _ := capabilities["extensions"].(map[string]any)
	_, ok := extensions[wire.Extension].(map[string]any) // settings are an object, {} if there are none
	return ok
}

func meta(req mcp.Request) map[string]any {
	switch params := req.GetParams().(type) {
	case *mcp.CallToolParamsRaw:
		if params != nil {
			return params.Meta
		}
	case *wire.TaskParams:
		if params != nil {
			return params.Meta
		}
	case *wire.UpdateParams:
		if params != nil {
			return params.Meta
		}
	}
	return nil
}

// missingCapability is the error a client gets that did not declare the extension.
func missingCapability() error {
	data, _ := json.Marshal(map[string]any{
		"requiredCapabilities": map[string]any{"extensions": map[string]any{wire.Extension: map[string]any{}}},
	})
	return &jsonrpc.Error{
		Code:    mcp.CodeMissingRequiredClientCapabilities,
		Message: "this needs a client that declares the extension " + wire.Extension,
		Data:    data,
	}
}

func methodNotFound(method string) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "method not found: " + method}
}
