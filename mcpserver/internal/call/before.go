package call

import (
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// beforeResult returns Before's result as the answer to its call. The result has passed the
// SDK as an error, so that what the SDK does to a handler's result is done here: content is
// never null, and the result has a resultType where the protocol version has one.
func beforeResult(result *mcp.CallToolResult, resultType bool) (mcp.Result, error) {
	if result.InputRequests == nil && result.Content == nil {
		copied := *result
		copied.Content = []mcp.Content{}
		result = &copied
	}
	if !resultType {
		return result, nil
	}
	data, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	members["resultType"] = json.RawMessage(`"complete"`)
	if result.InputRequests != nil {
		members["resultType"] = json.RawMessage(`"input_required"`)
		delete(members, "content")
	}
	return &rawResult{members: members}, nil
}

// A rawResult is a result whose members are already JSON.
type rawResult struct {
	mcp.ResultBase
	members map[string]json.RawMessage
}

// MarshalJSON returns the members, with the _meta that the SDK has set.
func (r *rawResult) MarshalJSON() ([]byte, error) {
	if meta := r.GetMeta(); meta != nil {
		data, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		r.members["_meta"] = data
	}
	return json.Marshal(r.members)
}
