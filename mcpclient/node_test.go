package mcpclient_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpclient"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

// A machine runs a node and its server, as a program does, and can be killed.
type machine struct {
	t     *testing.T
	url   string // of the database
	addr  string
	tools *mcptasks.Tools
	node  *runner.Node
	http  *http.Server
}

func startMachine(t *testing.T, tools *mcptasks.Tools) *machine {
	m := &machine{t: t, url: "sqlite:" + filepath.Join(t.TempDir(), "tasks.db"), addr: "127.0.0.1:0", tools: tools}
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *machine) start() {
	logger := slog.New(slog.NewTextHandler(m.t.Output(), nil))
	node, err := runner.Open(context.Background(), m.url, m.tools, &runner.Config{Migrate: true, Grace: time.Millisecond, Logger: logger})
	must(err)
	server := mcp.NewServer(&mcp.Implementation{Name: "node", Version: "v1"}, nil)
	mcpserver.Mount(server, m.tools, node, &mcpserver.Options{Logger: logger})
	must(node.Start(context.Background()))
	listener, err := net.Listen("tcp", m.addr)
	must(err)
	m.addr, m.node = listener.Addr().String(), node
	m.http = &http.Server{Handler: mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)} //nolint:gosec // a test
	go func() { _ = m.http.Serve(listener) }()
}

// kill stops the server without waiting for requests.
func (m *machine) kill() {
	_ = m.http.Close()
	_ = m.node.Close()
}

func (m *machine) transport() *mcp.StreamableClientTransport {
	return &mcp.StreamableClientTransport{Endpoint: "http://" + m.addr}
}

type noArgs struct{}

var often = &mcptasks.ToolOptions{PollInterval: 100 * time.Millisecond}

// fixtures returns tools that end in different ways. release lets "steps" go on after its
// first step.
func fixtures(first chan<- struct{}, release <-chan struct{}, ran *atomic.Int32, cancelled chan<- error) *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "steps"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		if _, err := mcptasks.Step(ctx, run, "one", func(context.Context) (int32, error) { return ran.Add(1), nil }); err != nil {
			return nil, nil, err
		}
		run.Progress(1, 2, "half")
		select {
		case first <- struct{}{}:
		default:
		}
		select {
		case <-release:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	}, often)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		answer, err := run.Elicit(ctx, "name", &mcp.ElicitParams{Message: "Who?", RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
		}})
		if err != nil {
			return nil, nil, err
		}
		name, _ := answer.Content["name"].(string)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: answer.Action + " " + name}}}, nil, nil
	}, often)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "fail"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("no ink")
	}, often)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "break"}, func(context.Context, *mcptasks.Run, noArgs) (*mcp.CallToolResult, any, error) {
		return nil, nil, &jsonrpc.Error{Code: -32050, Message: "out of paper"}
	}, often)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "forever"}, func(ctx context.Context, _ *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		select {
		case first <- struct{}{}:
		default:
		}
		<-ctx.Done()
		cancelled <- context.Cause(ctx)
		return nil, nil, ctx.Err()
	}, often)
	return tools
}

// versions are the protocol versions with tasks that a node serves.
var versions = []string{"2026-07-28", "2025-11-25"}

// TestNode follows tasks of a real node in each protocol version.
func TestNode(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			first, release, cancelled := make(chan struct{}, 1), make(chan struct{}), make(chan error, 10)
			var ran, asked atomic.Int32
			m := startMachine(t, fixtures(first, release, &ran, cancelled))
			client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, &mcpclient.ClientOptions{ClientOptions: mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					asked.Add(1)
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
				},
			}})
			session, err := client.Connect(t.Context(), m.transport(), &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.ClientSession().InitializeResult().ProtocolVersion; got != version {
				t.Fatalf("connected with protocol %s", got)
			}
			call := func(ctx context.Context, tool string) (string, *mcp.CallToolResult, error) {
				result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool})
				if err != nil {
					return "", nil, err
				}
				return textOf(result), result, nil
			}

			if text, _, err := call(patient(t), "ask"); err != nil || text != "accept Ada" || asked.Load() != 1 {
				t.Errorf("ask: %q, %v after %d questions", text, err, asked.Load())
			}
			if text, result, err := call(patient(t), "fail"); err != nil || !strings.Contains(text, "no ink") || !result.IsError {
				t.Errorf("fail: %q, %v", text, err)
			}
			_, _, err = call(patient(t), "break")
			var failure *jsonrpc.Error
			if !errors.As(err, &failure) || failure.Code != -32050 || failure.Message != "out of paper" {
				t.Errorf("break: %v", err)
			}

			ctx, cancel := context.WithCancel(patient(t))
			go func() {
				<-first
				cancel()
			}()
			_, _, err = call(ctx, "forever")
			var e *mcptasks.Error
			if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.TaskID == "" && len(cancelled) == 0 {
				t.Fatalf("forever: %v", err)
			}
			if cause := receive(t, cancelled); !errors.Is(cause, mcptasks.ErrCancelled) {
				t.Errorf("the handler's context ended with %v", cause)
			}
			if task, err := session.Get(patient(t), e.TaskID); err != nil || task.Status != mcptasks.StatusCancelled {
				t.Errorf("forever: %+v, %v", task, err)
			}
		})
	}
}

// TestNodeRestarts kills the server in the middle of a task and starts it again with the
// same file and port. The call returns the result, and the recorded step is not repeated.
func TestNodeRestarts(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			first, release := make(chan struct{}, 1), make(chan struct{})
			var ran atomic.Int32
			m := startMachine(t, fixtures(first, release, &ran, nil))
			down := make(chan struct{}, 1)
			client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
			// A request that fails shows that the client has noticed that the server is down.
			transport := m.transport()
			transport.HTTPClient = &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil && req.Method == http.MethodPost {
					select {
					case down <- struct{}{}:
					default:
					}
				}
				return resp, err
			})}
			session, err := client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			type answer struct {
				result *mcp.CallToolResult
				err    error
			}
			answered := make(chan answer, 1)
			go func() {
				result, err := session.CallTool(patient(t), &mcp.CallToolParams{Name: "steps"})
				answered <- answer{result, err}
			}()
			receive(t, first)
			m.kill()
			receive(t, down)
			m.start()
			receive(t, first) // it runs again
			close(release)
			if got := receive(t, answered); got.err != nil || textOf(got.result) != "done" || ran.Load() != 1 {
				t.Errorf("%+v, %v; the step ran %d times", got.result, got.err, ran.Load())
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }
