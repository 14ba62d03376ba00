package mcpclient

import (
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// isHandle reports whether the result of a tools/call is a handle of the extension.
// The SDK keeps the result's resultType where only its encoder can see it.
func isHandle(result *mcp.CallToolResult) bool {
	bare := *result
	bare.Meta, bare.Content, bare.StructuredContent, bare.InputRequests = nil, nil, nil, nil
	data, err := json.Marshal(&bare)
	if err != nil {
		return false
	}
	return resultType(data) == resultTypeTask
}

// started decodes the captured result as a handle of the extension.
func (c *capture) started() (*Started, error) {
	task, err := c.task()
	if err != nil {
		return nil, &permanent{err}
	}
	return &Started{Task: task}, nil
}

func (c *capture) task() (*Task, error) {
	result := c.consume()
	if result == nil || resultType(result) != resultTypeTask {
		return nil, errLostHandle
	}
	return decodeTask(result)
}

func resultType(result json.RawMessage) string {
	var r struct {
		ResultType string `json:"resultType"`
	}
	if err := json.Unmarshal(result, &r); err != nil {
		return ""
	}
	return r.ResultType
}
