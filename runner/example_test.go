package runner_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

type order struct {
	Item string `json:"item"`
}

// ship is a tool's handler.
func ship(_ context.Context, run *mcptasks.Run, in order) (*mcp.CallToolResult, any, error) {
	run.Progress(1, 2, "packing")
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "shipped a " + in.Item}}}, nil, nil
}

func shopTools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ship"}, ship, nil)
	return tools
}

// A node serves and works the tasks of a database until it is closed.
func Example() {
	ctx := context.Background()
	node, err := runner.Open(ctx, "sqlite::memory:", shopTools(), nil) // or postgres://…
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(ctx); err != nil { // a node that is not started only serves
		log.Fatal(err)
	}

	task, err := node.Create(ctx, "alice", mcptasks.CreateParams{Tool: "ship", Arguments: json.RawMessage(`{"item":"kettle"}`)})
	if err != nil {
		log.Fatal(err)
	}
	for task, err = range node.Watch(ctx, "alice", task.ID) {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(task.Status, string(task.Outcome.Result))
	// Output: completed {"content":[{"type":"text","text":"shipped a kettle"}]}
}

// A task is created in a transaction of the program's: either both the order and its task
// exist, or neither.
func ExampleRunner_CreateTx() {
	ctx := context.Background()
	driver, err := sqlite.Open(ctx, ":memory:") // or postgres.New(pool, schema)
	if err != nil {
		log.Fatal(err)
	}
	defer driver.Close()
	shop, err := runner.New(ctx, driver, shopTools(), &runner.Config{Migrate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer shop.Close()

	var task *mcptasks.Task
	err = driver.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE orders (item TEXT)`); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES ('kettle')`); err != nil {
			return err
		}
		task, err = shop.CreateTx(ctx, tx, "alice", mcptasks.CreateParams{Tool: "ship", Arguments: json.RawMessage(`{"item":"kettle"}`)})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	task, err = shop.Get(ctx, "alice", task.ID)
	fmt.Println(task.Tool, task.Status, err)
	// Output: ship working <nil>
}

// Watch yields the task as it is and after each change, until it has ended.
func ExampleNode_Watch() {
	ctx := context.Background()
	node, err := runner.Open(ctx, "sqlite::memory:", shopTools(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	task, err := node.Create(ctx, "alice", mcptasks.CreateParams{Tool: "ship", Arguments: json.RawMessage(`{"item":"kettle"}`)})
	if err != nil {
		log.Fatal(err)
	}
	for task, err := range node.Watch(ctx, "alice", task.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Status)
		if !task.Status.Terminal() {
			if _, err := node.Cancel(ctx, "alice", task.ID); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// working
	// cancelled
}

// An operator sees the tasks of all owners.
func ExampleNode_Operator() {
	ctx := context.Background()
	node, err := runner.Open(ctx, "sqlite::memory:", shopTools(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	for _, owner := range []mcptasks.Owner{"alice", "bob"} {
		if _, err := node.Create(ctx, owner, mcptasks.CreateParams{Tool: "ship", Arguments: json.RawMessage(`{"item":"kettle"}`)}); err != nil {
			log.Fatal(err)
		}
	}

	operator := node.Operator()
	bob := mcptasks.Owner("bob")
	page, err := operator.List(ctx, store.Query{Owner: &bob, Status: mcptasks.StatusWorking}, "", 10)
	if err != nil {
		log.Fatal(err)
	}
	shown, err := operator.Show(ctx, page.Tasks[0].ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shown.Owner, shown.Queue, shown.JobState, string(shown.Arguments))
	// Output: bob default available {"item":"kettle"}
}
