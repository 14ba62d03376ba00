package command

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

// TestListAll lists more tasks than a page has. All are in one object.
func TestListAll(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "report"}, nil, nil)
	node, err := runner.Open(t.Context(), "sqlite::memory:", tools, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	const n = pageSize + 1
	for range n {
		if _, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "report"}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	if err := listAll(t.Context(), cmd, node.Operator(), store.Query{}, &printer{format: formatJSON}); err != nil {
		t.Fatal(err)
	}
	var listed struct{ Tasks []taskJSON }
	if err := json.Unmarshal(out.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, task := range listed.Tasks {
		ids[task.TaskID] = true
	}
	if len(listed.Tasks) != n || len(ids) != n {
		t.Errorf("%d tasks are listed, %d of them different; want %d", len(listed.Tasks), len(ids), n)
	}
}
