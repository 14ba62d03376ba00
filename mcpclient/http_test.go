package mcpclient

import (
	"net/http"
	"strings"
	"testing"
)

// The header has the task's id, whatever characters are in it.
func TestWithTaskName(t *testing.T) {
	for id, want := range map[string]string{"task-1": "task-1", "☃": "=?base64?4piD?=", `a\nb`: "=?base64?YQpi?="} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost", strings.NewReader(
			`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"`+id+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := withTaskName(req).Header.Get("Mcp-Name"); got != want {
			t.Errorf("%s is named %q, want %q", id, got, want)
		}
	}
}
