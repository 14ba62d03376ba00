// Package work has the handlers of the tools and what they need. Only workers import it.
package work

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/examples/split/tools"
)

// Ship ships an order in three steps. If its process ends before the last, another process
// runs it again from the top, and the steps that were recorded are not done again.
func Ship(ctx context.Context, run *mcptasks.Run, order tools.Order) (*mcp.CallToolResult, tools.Receipt, error) {
	receipt := tools.Receipt{Tracking: fmt.Sprint("parcel ", order.Number)}
	steps := []string{"pick", "pack", "label"}
	for i, step := range steps {
		by, err := mcptasks.Step(ctx, run, step, do)
		if err != nil {
			return nil, tools.Receipt{}, err
		}
		receipt.DoneBy = append(receipt.DoneBy, by)
		run.Progress(float64(i+1), float64(len(steps)), step+" done")
	}
	return nil, receipt, nil
}

// do does a step and returns the process that did it.
func do(ctx context.Context) (string, error) {
	select {
	case <-time.After(400 * time.Millisecond): // the work
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	return Process(os.Getpid()), nil
}

// Process returns the name of a process of this machine in receipts.
func Process(pid int) string {
	host, _ := os.Hostname() // a container's id
	return fmt.Sprintf("%s/%d", host, pid)
}
