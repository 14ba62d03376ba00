//go:build unix

// Command load does a fixed number of operations through the public API. The command
// compare builds it in two checkouts, so it uses only API that is the same in both.
//
// It prints "ready" when it is set up, does its operations when it reads a line, prints
// "done", and ends when its standard input does. With -figure serve it prints its
// address and the ids of tasks, and serves instead.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/postgres"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

const (
	arguments  = `{"topic":"the tides of the North Sea","steps":5,"notify":"someone@example.org"}`
	maxWorkers = 2000
	polled     = 2000 // tasks that are read: half completed, half working
)

var answer = strings.Repeat("High water at dawn. ", 10)

type input struct {
	Topic  string `json:"topic"`
	Steps  int    `json:"steps"`
	Notify string `json:"notify"`
}

// load is what the flags say, and the node that does the work.
type load struct {
	url     string
	n       int
	callers int

	node *runner.Node
	ran  atomic.Int64
	all  chan struct{} // closed when n handlers have run
}

func main() {
	l := &load{all: make(chan struct{})}
	figure := flag.String("figure", "", "create, drain, poll, complete or serve")
	flag.StringVar(&l.url, "url", "", "the database")
	flag.IntVar(&l.n, "n", 1000, "the number of operations")
	flag.IntVar(&l.callers, "callers", 1, "how many callers there are")
	flag.Parse()
	if err := l.run(context.Background(), *figure); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func (l *load) run(ctx context.Context, figure string) error {
	figures := map[string]func(context.Context) (func(context.Context) error, error){
		"create": l.create, "drain": l.drain, "poll": l.poll, "complete": l.complete, "serve": l.serve,
	}
	prepare, ok := figures[figure]
	if !ok {
		return fmt.Errorf("there is no figure %q", figure)
	}
	work, err := prepare(ctx)
	if err != nil {
		return err
	}
	input := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	if _, err := input.ReadString('\n'); err != nil {
		return err
	}
	if err := work(ctx); err != nil {
		return err
	}
	fmt.Println("done")
	_, _ = io.Copy(io.Discard, input)
	return l.node.Close()
}

func (l *load) open(ctx context.Context) (*runner.Node, *mcptasks.Tools, error) {
	tools := mcptasks.NewTools()
	handler := func(context.Context, *mcptasks.Run, input) (*mcp.CallToolResult, any, error) {
		if l.ran.Add(1) == int64(l.n) {
			close(l.all)
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: answer}}}, nil, nil
	}
	mcptasks.AddTool(tools, &mcp.Tool{Name: "noop", Description: "Answers at once"}, handler, nil)
	node, err := runner.Open(ctx, l.url, tools, &runner.Config{
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Migrate:    true,
		MaxWorkers: maxWorkers,
	})
	return node, tools, err
}

// create creates tasks on a node that does not work.
func (l *load) create(ctx context.Context) (_ func(context.Context) error, err error) {
	l.node, _, err = l.open(ctx)
	return func(ctx context.Context) error {
		_, err := createAll(ctx, l.node, l.n, l.callers)
		return err
	}, err
}

// drain works tasks that wait. Stop returns when the last one's outcome is stored and
// its job settled.
func (l *load) drain(ctx context.Context) (_ func(context.Context) error, err error) {
	if l.node, _, err = l.open(ctx); err != nil {
		return nil, err
	}
	ids, err := createAll(ctx, l.node, l.n, 64)
	return func(ctx context.Context) error {
		if err := l.node.Start(ctx); err != nil {
			return err
		}
		<-l.all
		if err := l.node.Stop(ctx); err != nil {
			return err
		}
		return l.check(ctx, ids[len(ids)-1], mcptasks.StatusCompleted)
	}, err
}

// poll reads tasks, half of them completed and half working.
func (l *load) poll(ctx context.Context) (func(context.Context) error, error) {
	completed, working, _, err := l.tasks(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		return each(l.n, l.callers, func() error {
			i := rand.IntN(polled) //nolint:gosec // any will do
			if i < len(completed) {
				return l.check(ctx, completed[i], mcptasks.StatusCompleted)
			}
			return l.check(ctx, working[i-len(completed)], mcptasks.StatusWorking)
		})
	}, nil
}

// complete creates tasks on a node that works, and watches each until it is completed.
func (l *load) complete(ctx context.Context) (_ func(context.Context) error, err error) {
	if l.node, _, err = l.open(ctx); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		return each(l.n, l.callers, func() error {
			task, err := l.node.Create(ctx, "", mcptasks.CreateParams{Tool: "noop", Arguments: json.RawMessage(arguments)})
			if err != nil {
				return err
			}
			return watch(ctx, l.node, task.ID)
		})
	}, l.node.Start(ctx)
}

// serve serves the tool over HTTP, on a node that does not work, until input ends.
func (l *load) serve(ctx context.Context) (func(context.Context) error, error) {
	completed, working, tools, err := l.tasks(ctx)
	if err != nil {
		return nil, err
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "load", Version: "v1"}, nil)
	mcpserver.Mount(server, tools, l.node, nil)
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		_ = (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
	}()
	fmt.Println("listening", listener.Addr())
	for _, id := range completed {
		fmt.Println("completed", id)
	}
	for _, id := range working {
		fmt.Println("working", id)
	}
	return func(context.Context) error { return nil }, nil
}

// tasks makes completed tasks on a node that works and then closes, and working ones on
// the node that stays.
func (l *load) tasks(ctx context.Context) (completed, working []string, tools *mcptasks.Tools, err error) {
	worker, _, err := l.open(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := worker.Start(ctx); err != nil {
		return nil, nil, nil, err
	}
	if completed, err = createAll(ctx, worker, polled/2, 64); err != nil {
		return nil, nil, nil, err
	}
	for _, id := range completed {
		if err := watch(ctx, worker, id); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := worker.Close(); err != nil {
		return nil, nil, nil, err
	}
	if l.node, tools, err = l.open(ctx); err != nil {
		return nil, nil, nil, err
	}
	working, err = createAll(ctx, l.node, polled/2, 64)
	return completed, working, tools, err
}

func (l *load) check(ctx context.Context, id string, want mcptasks.Status) error {
	task, err := l.node.Get(ctx, "", id)
	if err == nil && task.Status != want {
		err = fmt.Errorf("the task %s is %s, not %s", id, task.Status, want)
	}
	return err
}

// watch returns when the task is completed.
func watch(ctx context.Context, node *runner.Node, id string) error {
	for task, err := range node.Watch(ctx, "", id) {
		if err != nil {
			return err
		}
		if task.Status == mcptasks.StatusCompleted {
			return nil
		}
	}
	return fmt.Errorf("the task %s was not completed", id)
}

func createAll(ctx context.Context, node *runner.Node, n, callers int) ([]string, error) {
	var mu sync.Mutex
	var ids []string
	err := each(n, callers, func() error {
		task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "noop", Arguments: json.RawMessage(arguments)})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, task.ID)
		return nil
	})
	return ids, err
}

// each has callers call op n times altogether.
func each(n, callers int, op func() error) error {
	var begun atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for caller := range callers {
		wg.Go(func() {
			for errs[caller] == nil && begun.Add(1) <= int64(n) {
				errs[caller] = op()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
