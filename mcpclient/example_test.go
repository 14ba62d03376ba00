package mcpclient_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpclient"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type order struct {
	Item string `json:"item"`
}

// shop serves a tool that asks before it ships, and returns the server's URL.
func shop(ctx context.Context) (url string, closeShop func()) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ship"}, func(ctx context.Context, run *mcptasks.Run, in order) (*mcp.CallToolResult, any, error) {
		answer, err := run.Elicit(ctx, "confirm", &mcp.ElicitParams{
			Message:         fmt.Sprintf("Ship a %s?", in.Item),
			RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
		})
		if err != nil {
			return nil, nil, err
		}
		text := "kept the " + in.Item
		if answer.Action == "accept" {
			text = "shipped a " + in.Item
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
	}, &mcptasks.ToolOptions{PollInterval: 100 * time.Millisecond})
	node, err := runner.Open(ctx, "sqlite::memory:", tools, &runner.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	if err := node.Start(ctx); err != nil {
		log.Fatal(err)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "v1.0.0"}, nil)
	mcpserver.Mount(server, tools, node, nil)
	listener := httptest.NewServer(mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	return listener.URL, func() {
		listener.Close()
		_ = node.Close()
	}
}

// confirm is the handler of a client that accepts every question.
func confirm(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	fmt.Println(req.Params.Message)
	return &mcp.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
}

// CallTool follows the task of a call to its end, and passes its questions to the client's
// handlers.
func Example() {
	ctx := context.Background()
	url, closeShop := shop(ctx)
	defer closeShop()

	client := mcpclient.NewClient(&mcp.Implementation{Name: "buyer", Version: "v1.0.0"}, &mcpclient.ClientOptions{
		ClientOptions: mcp.ClientOptions{ElicitationHandler: confirm},
	})
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "ship", Arguments: order{Item: "kettle"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output:
	// Ship a kettle?
	// shipped a kettle
}

// A task outlives the session that started it. Another session needs only its id.
func ExampleSession_Start() {
	ctx := context.Background()
	url, closeShop := shop(ctx)
	defer closeShop()
	client := mcpclient.NewClient(&mcp.Implementation{Name: "buyer", Version: "v1.0.0"}, &mcpclient.ClientOptions{
		ClientOptions: mcp.ClientOptions{ElicitationHandler: confirm},
	})

	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		log.Fatal(err)
	}
	started, err := session.Start(ctx, &mcp.CallToolParams{Name: "ship", Arguments: order{Item: "lamp"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the task is", started.Task.Status)
	id := started.Task.ID // keep it
	if err := session.Close(); err != nil {
		log.Fatal(err)
	}

	later, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer later.Close()
	result, err := later.Resume(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output:
	// the task is working
	// Ship a lamp?
	// shipped a lamp
}
