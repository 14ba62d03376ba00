package tasktest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

type reportIn struct {
	Topic string `json:"topic"`
}

type reportOut struct {
	Report string `json:"report"`
}

func report(ctx context.Context, run *mcptasks.Run, in reportIn) (*mcp.CallToolResult, reportOut, error) {
	pages, err := mcptasks.Step(ctx, run, "fetch", func(context.Context) (int, error) {
		fmt.Println("fetching", in.Topic)
		return 3, nil
	})
	if err != nil {
		return nil, reportOut{}, err
	}
	run.Progress(1, 2, "fetched")

	text, err := mcptasks.Step(ctx, run, "write", func(context.Context) (string, error) {
		fmt.Println("writing")
		return fmt.Sprintf("%d pages about %s", pages, in.Topic), nil
	})
	return nil, reportOut{text}, err
}

func Example() {
	t := new(testing.T) // your test's

	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, report, nil)

	task := tasktest.New(t, tools).Task("report", map[string]any{"topic": "tides"})
	task.KillAfter("fetch")
	end := task.Run()
	fmt.Println(task.Status(), task.Steps(), end.Cause)

	task.Run()
	fmt.Println(task.Status(), task.Steps())
	fmt.Println("fetched", task.StepRuns("fetch"), "time")
	fmt.Println(task.Result().StructuredContent)
	// Output:
	// fetching tides
	// working [fetch] tasktest: the process was killed
	// writing
	// completed [fetch write]
	// fetched 1 time
	// map[report:3 pages about tides]
}
