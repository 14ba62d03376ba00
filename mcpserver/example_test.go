package mcpserver_test

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

// newShop returns a server with a durable tool, and the node that runs the tool.
func newShop(ctx context.Context) (*mcp.Server, *runner.Node) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ship"}, func(_ context.Context, _ *mcptasks.Run, in order) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "shipped a " + in.Item}}}, nil, nil
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
	return server, node
}

// Mount adds durable tools to a server, and NewHandler serves it over HTTP. A client that
// knows tasks gets a task for its call, and follows it to its end.
func Example() {
	ctx := context.Background()
	server, node := newShop(ctx)
	defer node.Close()
	endpoint := httptest.NewServer(mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	defer endpoint.Close()

	client := mcpclient.NewClient(&mcp.Implementation{Name: "buyer", Version: "v1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: endpoint.URL}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	started, err := session.Start(ctx, &mcp.CallToolParams{Name: "ship", Arguments: order{Item: "kettle"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the call is a task:", started.Task != nil)
	result, err := session.Resume(ctx, started.Task.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output:
	// the call is a task: true
	// shipped a kettle
}

// NewTransport does for a connection what NewHandler does for HTTP. A client that does not
// know tasks waits for the tool's result, as with any other server.
func ExampleNewTransport() {
	ctx := context.Background()
	server, node := newShop(ctx)
	defer node.Close()
	clientSide, serverSide := mcp.NewInMemoryTransports() // a program has &mcp.StdioTransport{}
	serverSession, err := server.Connect(ctx, mcpserver.NewTransport(serverSide), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = serverSession.Wait() }()

	client := mcp.NewClient(&mcp.Implementation{Name: "buyer", Version: "v1.0.0"}, nil)
	session, err := client.Connect(ctx, clientSide, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "ship", Arguments: order{Item: "lamp"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output: shipped a lamp
}
