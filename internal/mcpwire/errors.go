package mcpwire

import (
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// ErrInternal is the error that clients get for a failure inside the server. The log has the
// cause.
var ErrInternal = &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}

// InvalidRequest returns the error for a message that is not a valid request.
func InvalidRequest(message string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: message}
}

// InvalidParams returns the error for params that a method does not accept.
func InvalidParams(message string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: message}
}

// MethodNotFound returns the error for a method that the request's protocol version, or
// the way the tool is called, does not have.
func MethodNotFound(method string) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "method not found: " + method}
}

// MissingCapability returns the error for a client that did not declare the extension
// (SEP-2663, Capability Negotiation).
func MissingCapability() error {
	data, _ := json.Marshal(map[string]any{
		"requiredCapabilities": map[string]any{"extensions": map[string]any{Extension: map[string]any{}}},
	})
	return &jsonrpc.Error{
		Code:    mcp.CodeMissingRequiredClientCapabilities,
		Message: "this needs a client that declares the extension " + Extension,
		Data:    data,
	}
}

// CheckName compares the values of the Mcp-Name header with the task's id. Gateways
// route by the header. Two values are an error, because a gateway may use either.
func CheckName(names []string, taskID string) *jsonrpc.Error {
	if len(names) == 0 || names[0] == "" {
		return &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header is missing: it must be the taskId"}
	}
	if name, ok := DecodeHeader(names[0]); !ok || len(names) > 1 || name != taskID {
		return &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header does not match the taskId in the body"}
	}
	return nil
}
