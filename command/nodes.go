package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

func (p *program) nodes() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes that run tasks",
		Long: `List the nodes that run tasks. SILENT is the time since a node's last heartbeat; a dead node
stays in the list until it is removed. Nodes that only serve send no heartbeats and are not
listed.`,
		Example: p.examples("nodes", "", "nodes -o json", ""),
		Args:    cobra.NoArgs,
	}
	out := printerOf(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		return p.withOperator(cmd, func(ctx context.Context, operator *runner.Operator) error {
			nodes, err := operator.Nodes(ctx)
			switch {
			case err != nil:
				return err
			case out.json():
				return printJSON(cmd.OutOrStdout(), nodesJSON(nodes))
			default:
				return printNodes(cmd.OutOrStdout(), nodes)
			}
		})
	})
	return cmd
}

// nodeJSON is a node in the output of nodes -o json.
type nodeJSON struct {
	NodeID      string    `json:"nodeId"`
	Host        string    `json:"host"`
	Tools       []string  `json:"tools"`
	Queues      []string  `json:"queues"`
	HeartbeatAt time.Time `json:"heartbeatAt"`
	SilentMs    int64     `json:"silentMs"`
	Running     int       `json:"running"`
}

func nodesJSON(nodes []store.NodeSeen) any {
	list := make([]nodeJSON, len(nodes))
	for i, n := range nodes {
		list[i] = nodeJSON{n.ID, n.Host, n.Tools, n.Queues, n.HeartbeatAt.UTC(), n.Silent.Milliseconds(), n.Running}
	}
	return struct {
		Nodes []nodeJSON `json:"nodes"`
	}{list}
}

func printNodes(w io.Writer, nodes []store.NodeSeen) error {
	t := newTable(w, "ID", "HOST", "SILENT", "RUNNING", "QUEUES", "TOOLS")
	for _, n := range nodes {
		t.row(n.ID, n.Host, short(n.Silent), fmt.Sprint(n.Running), strings.Join(n.Queues, " "), strings.Join(n.Tools, " "))
	}
	return t.end()
}
