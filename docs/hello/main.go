// Command hello is the program that README.md shows.
package main

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/command"
	_ "github.com/mcptasks/mcptasks/store/sqlite" // or store/postgres, or both
)

type input struct {
	Name string `json:"name"`
}

type output struct {
	Greeting string `json:"greeting"`
}

// greet may run again after a crash. A step that was recorded is not repeated.
func greet(ctx context.Context, run *mcptasks.Run, in input) (*mcp.CallToolResult, output, error) {
	greeting, err := mcptasks.Step(ctx, run, "write", func(context.Context) (string, error) {
		return "Hello, " + in.Name, nil // the slow work
	})
	return nil, output{Greeting: greeting}, err
}

func main() {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "greet", Description: "Greets a person"}, greet, nil)
	command.Main(tools, nil)
}
