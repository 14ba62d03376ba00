// Package tools declares the tools of a program that is split into processes: their names,
// schemas and options. Processes that serve the tools or create tasks import this package
// and not package work.
package tools

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// Order is an order to ship.
type Order struct {
	Number int64  `json:"number" jsonschema:"the order's number"`
	Item   string `json:"item" jsonschema:"what was ordered"`
}

// Receipt describes a shipped order.
type Receipt struct {
	Tracking string   `json:"tracking" jsonschema:"the parcel's tracking number"`
	DoneBy   []string `json:"doneBy" jsonschema:"the process that did each step, by host and process id"`
}

// New returns the tools. ship is nil in processes that do not run tasks.
func New(ship mcptasks.Handler[Order, Receipt]) *mcptasks.Tools {
	all := mcptasks.NewTools()
	mcptasks.AddTool(all, &mcp.Tool{Name: "ship", Description: "Ships an order"}, ship, &mcptasks.ToolOptions{
		Queue:       "shipping", // a worker with only this tool fetches only from this queue
		MaxAttempts: 5,
	})
	return all
}
