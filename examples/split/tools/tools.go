// Package tools declares the tools of a program that is split into processes: what
// clients see of them, and how their tasks are run. Who serves the tools, or makes
// tasks of them, links this package and not the work.
package tools

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// Order is what is to be shipped.
type Order struct {
	Number int64  `json:"number" jsonschema:"the order's number"`
	Item   string `json:"item" jsonschema:"what was ordered"`
}

// Receipt says what was done.
type Receipt struct {
	Tracking string   `json:"tracking" jsonschema:"the parcel's tracking number"`
	DoneBy   []string `json:"doneBy" jsonschema:"the process that did each step, by host and process id"`
}

// New returns the tools, with their handlers where they are worked and nil where they
// are not.
func New(ship mcptasks.Handler[Order, Receipt]) *mcptasks.Tools {
	all := mcptasks.NewTools()
	mcptasks.AddTool(all, &mcp.Tool{Name: "ship", Description: "Ships an order"}, ship, &mcptasks.ToolOptions{
		Queue:       "shipping", // who works this tool alone fetches from this queue alone
		MaxAttempts: 5,
	})
	return all
}
