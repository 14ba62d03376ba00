package mcpserver

import (
	"context"
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// taskGeneration is which of MCP's task protocols a request belongs to.
type taskGeneration int

const (
	none      taskGeneration = iota
	core                     // 2025-11-25: the client asks for a task
	extension                // 2026-07-28: the server makes one
)

// generation reads the request's own _meta, and else what its session began with:
// the SDK's ProtocolVersion does not tell the two apart, and panics where params are
// missing.
func generation(req mcp.Request) taskGeneration {
	if version, _ := meta(req)[mcp.MetaKeyProtocolVersion].(string); version >= mcpwire.ExtensionVersion {
		return extension
	}
	session, _ := req.GetSession().(*mcp.ServerSession)
	if session == nil {
		return none
	}
	// For a request that belongs to no session the SDK makes params up, without capabilities.
	params := session.InitializeParams()
	if params != nil && params.Capabilities != nil && params.ProtocolVersion >= mcpwire.CoreVersion {
		return core
	}
	return none
}

// has reports whether the generation has the method.
func (g taskGeneration) has(method string) bool {
	switch method {
	case mcpwire.MethodGet, mcpwire.MethodCancel:
		return g != none
	case mcpwire.MethodUpdate:
		return g == extension
	case mcpwire.MethodResult, mcpwire.MethodList:
		return g == core
	}
	return false
}

// declares reports whether the request's client said that it knows the extension.
// It says so on each request (SEP-2663, Capability Negotiation).
func declares(req mcp.Request) bool {
	if generation(req) != extension {
		return false
	}
	capabilities, _ := meta(req)[mcp.MetaKeyClientCapabilities].(map[string]any)
	extensions, _ := capabilities["extensions"].(map[string]any)
	_, ok := extensions[mcpwire.Extension].(map[string]any) // settings are an object, {} if there are none
	return ok
}

// meta returns the _meta of a request, nil if it has no params.
func meta(req mcp.Request) map[string]any {
	switch params := req.GetParams().(type) {
	case *mcp.CallToolParamsRaw:
		if params != nil {
			return params.Meta
		}
	case *mcp.ListToolsParams:
		if params != nil {
			return params.Meta
		}
	case *mcp.SubscriptionsListenParams:
		if params != nil {
			return params.Meta
		}
	case *mcpwire.TaskParams:
		if params != nil {
			return params.Meta
		}
	case *mcpwire.UpdateParams:
		if params != nil {
			return params.Meta
		}
	case *mcpwire.ListParams:
		if params != nil {
			return params.Meta
		}
	}
	return nil
}

// hasParams reports whether a tasks/* request has params.
func hasParams(req mcp.Request) bool {
	switch params := req.GetParams().(type) {
	case *mcpwire.TaskParams:
		return params != nil
	case *mcpwire.UpdateParams:
		return params != nil
	case *mcpwire.ListParams:
		return params != nil
	}
	return false
}

type generationKey struct{}

func contextGeneration(ctx context.Context) taskGeneration {
	g, _ := ctx.Value(generationKey{}).(taskGeneration)
	return g
}

// missingCapability is the error a client gets that did not declare the extension.
func missingCapability() error {
	data, _ := json.Marshal(map[string]any{
		"requiredCapabilities": map[string]any{"extensions": map[string]any{mcpwire.Extension: map[string]any{}}},
	})
	return &jsonrpc.Error{
		Code:    mcp.CodeMissingRequiredClientCapabilities,
		Message: "this needs a client that declares the extension " + mcpwire.Extension,
		Data:    data,
	}
}

func methodNotFound(method string) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "method not found: " + method}
}
