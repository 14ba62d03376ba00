package mcpserver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
)

// The wait for a task ends when the task asks a question: only the client that waits could
// answer it.
func TestInlineWaitEndsWithAQuestion(t *testing.T) {
	for name, test := range map[string]struct {
		call request
		want string
	}{
		"a handle": {
			request{method: "tools/call", name: "add", arguments: `{"a":1}`}, `"resultType":"task","taskId":"created-1","status":"input_required"`,
		},
		"a helper tool": {
			request{method: "tools/call", name: "task_result", arguments: `{"taskId":"created-1"}`, meta: undeclared}, `It asks, under the key \"color\"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			runner := newFakeRunner()
			runner.idle = true
			tools := mcptasks.NewTools()
			mcptasks.AddTool(tools, &mcp.Tool{Name: "add"}, add, &mcptasks.ToolOptions{InlineWait: 2 * goneFor})
			server := mounted(t, tools, runner, &mcpserver.Options{HelperTools: true, PlainWait: 2 * goneFor})
			if test.call.name != "add" {
				if _, err := runner.Create(t.Context(), "", mcptasks.CreateParams{Tool: "add"}); err != nil {
					t.Fatal(err)
				}
			}
			answered := make(chan answer, 1)
			go func() { answered <- post(t, server, test.call) }()
			<-runner.watching
			runner.do(t, []string{"ask", "created-1", "color"})
			select {
			case a := <-answered:
				if !strings.Contains(a.message, test.want) {
					t.Errorf("the answer is %s, want %s in it", a.message, test.want)
				}
			case <-time.After(goneFor):
				t.Error("it is waited for although it asks")
			}
		})
	}
}
