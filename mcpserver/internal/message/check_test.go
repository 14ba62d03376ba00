package message

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// FuzzCheck compares Check with the SDK's reading of the same body. A tasks/* request that
// Check accepts has an object as params and, in the extension's version, the taskId of the
// header. A rejection is valid JSON-RPC.
func FuzzCheck(f *testing.F) {
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `7`, `{"id":1}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/get"}`,
		`{"jsonrpc":"2.0","id":null,"method":"tasks/get","params":null}`,
		`{"jsonrpc":"2.0","id":{},"method":"tasks/cancel","params":{"taskId":7}}`,
		`{"jsonrpc":"2.0","id":"a<b","method":"tasks/get","params":{"taskId":"other"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"task"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"task","TaskId":"other"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"other","taskId":"task"}}`,
		`{"jsonrpc":"2.0","id":-1.5,"method":"tasks/update","params":{"taskId":"task","inputResponses":[]}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":{"taskId":"task","inputResponses":{"a":1}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"other"}}] x`,
	} {
		f.Add("task", true, []byte(body))
		f.Add("", false, []byte(body))
	}
	f.Fuzz(func(t *testing.T, name string, extension bool, body []byte) {
		header := http.Header{"Mcp-Name": {name}, "Mcp-Protocol-Version": {"2025-11-25"}}
		if extension {
			header.Set("Mcp-Protocol-Version", mcpwire.ExtensionVersion)
		}
		posted, rejection := Read(body)
		if rejection != nil {
			checkRejection(t, nil, rejection)
			return
		}
		for _, m := range posted.Messages {
			if rejection := m.Check(header); rejection != nil {
				checkRejection(t, m.ID, rejection)
				return
			}
		}
		message, err := jsonrpc.DecodeMessage(body)
		if err != nil {
			return
		}
		request, ok := message.(*jsonrpc.Request)
		if !ok {
			return
		}
		switch request.Method {
		case mcpwire.MethodGet, mcpwire.MethodUpdate, mcpwire.MethodCancel:
			var params *mcpwire.TaskParams
			if err := json.Unmarshal(request.Params, &params); err == nil && params == nil {
				t.Errorf("%s passed without params", body)
			}
			var exact map[string]json.RawMessage
			var taskID string
			_ = json.Unmarshal(request.Params, &exact)
			_ = json.Unmarshal(exact["taskId"], &taskID)
			if decoded, ok := mcpwire.DecodeHeader(name); extension && (!ok || taskID != decoded) {
				t.Errorf("%s passed with the name %q", body, name)
			}
		}
	})
}

func checkRejection(t *testing.T, id json.RawMessage, rejection *jsonrpc.Error) {
	switch rejection.Code {
	case jsonrpc.CodeParseError, jsonrpc.CodeInvalidRequest, jsonrpc.CodeInvalidParams, mcp.CodeHeaderMismatch:
	default:
		t.Errorf("the code is %d", rejection.Code)
	}
	recorder := httptest.NewRecorder()
	WriteError(recorder, id, rejection)
	var answer struct {
		Version string          `json:"jsonrpc"`
		ID      *any            `json:"id"`
		Error   json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || answer.Version != "2.0" || answer.Error == nil {
		t.Fatalf("the answer is %s: %v", recorder.Body, err)
	}
	if answer.ID != nil {
		switch (*answer.ID).(type) {
		case string, float64:
		default:
			t.Errorf("the answer %s has an invalid id", recorder.Body)
		}
	}
}
