package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
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

type printIn struct {
	Pages int `json:"pages"`
}

type printOut struct {
	Printed int `json:"printed"`
}

func approvedPrint(ctx context.Context, run *mcptasks.Run, in printIn) (*mcp.CallToolResult, printOut, error) {
	answer, err := run.Elicit(ctx, "approve", &mcp.ElicitParams{
		Message: fmt.Sprintf("Print %d pages?", in.Pages),
		RequestedSchema: &jsonschema.Schema{
			Type:       "object",
			Properties: map[string]*jsonschema.Schema{"copies": {Type: "integer"}},
			Required:   []string{"copies"},
		},
	})
	switch {
	case errors.Is(err, mcptasks.ErrUnanswered):
		return nil, printOut{}, errors.New("nobody approved it")
	case err != nil:
		return nil, printOut{}, err
	case answer.Action != "accept":
		return nil, printOut{}, nil
	}
	copies := int(answer.Content["copies"].(float64)) // the schema has seen to it

	printed, err := mcptasks.Step(ctx, run, "print", func(context.Context) (int, error) {
		fmt.Println("printing", copies, "copies")
		return copies * in.Pages, nil
	})
	return nil, printOut{printed}, err
}

// A tool that asks a person: its first run ends with the question, and a run
// after the answer does the work.
func Example_question() {
	t := new(testing.T) // your test's

	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "print"}, approvedPrint, nil)
	worker := tasktest.New(t, tools)

	task := worker.Task("print", map[string]any{"pages": 30})
	end := task.Run()
	fmt.Println(task.Status(), "-", end.Cause)
	fmt.Println(task.Questions()["approve"].Method)

	task.Answer("approve", &mcp.ElicitResult{Action: "accept", Content: map[string]any{"copies": 2}})
	task.Run()
	fmt.Println(task.Status(), task.Result().StructuredContent)

	late := worker.Task("print", map[string]any{"pages": 30})
	late.Run()
	late.Expire("approve")
	fmt.Println(late.Run().Cause)
	// Output:
	// input_required - the task waits for an answer
	// elicitation/create
	// printing 2 copies
	// completed map[printed:60]
	// nobody approved it
}

// A step whose node dies before its result is recorded is done again. Give the other
// side a key, so that it notices: the task's id and the step's name are the same in every
// run.
func ExampleTask_KillDuring() {
	t := new(testing.T) // your test's

	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "pay"}, func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		_, err := mcptasks.Step(ctx, run, "pay", func(context.Context) (bool, error) {
			fmt.Println("paying with key", run.TaskID()+"/pay")
			return true, nil
		})
		return nil, nil, err
	}, nil)

	task := tasktest.New(t, tools).Task("pay", nil)
	task.KillDuring("pay")
	task.Run()
	task.Run()
	fmt.Println(task.Status(), "after", task.StepRuns("pay"), "runs of the step")
	// Output:
	// paying with key task-1/pay
	// paying with key task-1/pay
	// completed after 2 runs of the step
}

// The context of a cancelled task's handler ends. Work that has begun can be undone.
func ExampleTask_CancelAfter() {
	t := new(testing.T) // your test's

	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "rent"}, func(ctx context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
		_, err := mcptasks.Step(ctx, run, "rent", func(context.Context) (string, error) { return "machine-1", nil })
		if err == nil {
			<-ctx.Done() // long work
		}
		if errors.Is(context.Cause(ctx), mcptasks.ErrCancelled) {
			fmt.Println("returning the machine")
		}
		return nil, nil, context.Cause(ctx)
	}, nil)

	task := tasktest.New(t, tools).Task("rent", nil)
	task.CancelAfter("rent")
	end := task.Run()
	fmt.Println(task.Status(), "-", end.Cause)
	// Output:
	// returning the machine
	// cancelled - task was cancelled
}
