package mcpwire

import "github.com/modelcontextprotocol/go-sdk/mcp"

// Generation is which of MCP's task protocols a request belongs to.
type Generation int

const (
	NoTasks        Generation = iota // the request's protocol version has no tasks
	CoreTasks                        // 2025-11-25: the client asks for a task
	TasksExtension                   // 2026-07-28: the server makes a task
)

// GenerationOf returns the generation of a request. The version in the request's _meta
// decides, and without one the params with which its session was initialized. The SDK's
// ProtocolVersion cannot be used: it does not say which of the two it returns, and it panics
// if params are missing.
func GenerationOf(req mcp.Request) Generation {
	if version, _ := Meta(req)[mcp.MetaKeyProtocolVersion].(string); version >= ExtensionVersion {
		return TasksExtension
	}
	session, _ := req.GetSession().(*mcp.ServerSession)
	if session == nil {
		return NoTasks
	}
	// For a request that belongs to no session the SDK makes up params without capabilities.
	params := session.InitializeParams()
	if params != nil && params.Capabilities != nil && params.ProtocolVersion >= CoreVersion {
		return CoreTasks
	}
	return NoTasks
}

// Has reports whether the generation has the method.
func (g Generation) Has(method string) bool {
	switch method {
	case MethodGet, MethodCancel:
		return g != NoTasks
	case MethodUpdate:
		return g == TasksExtension
	case MethodResult, MethodList:
		return g == CoreTasks
	}
	return false
}

// Declares reports whether the request declares the extension. A client does so in each
// request (SEP-2663, Capability Negotiation).
func Declares(req mcp.Request) bool {
	if GenerationOf(req) != TasksExtension {
		return false
	}
	capabilities, _ := Meta(req)[mcp.MetaKeyClientCapabilities].(map[string]any)
	extensions, _ := capabilities["extensions"].(map[string]any)
	_, ok := extensions[Extension].(map[string]any) // settings are an object, empty or not
	return ok
}

// Meta returns the _meta of a request, nil if it has no params.
func Meta(req mcp.Request) map[string]any {
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
	case *TaskParams:
		if params != nil {
			return params.Meta
		}
	case *UpdateParams:
		if params != nil {
			return params.Meta
		}
	case *ListParams:
		if params != nil {
			return params.Meta
		}
	}
	return nil
}

// HasParams reports whether a tasks/* request has params.
func HasParams(req mcp.Request) bool {
	switch params := req.GetParams().(type) {
	case *TaskParams:
		return params != nil
	case *UpdateParams:
		return params != nil
	case *ListParams:
		return params != nil
	}
	return false
}
