//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
	"github.com/mcptasks/mcptasks/internal/proof/chaos/mutant"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

// heartbeat is the nodes' heartbeat interval. A lease is three of them.
const (
	heartbeat = time.Second
	lease     = 3 * heartbeat
)

const ownerHeader = "Chaos-Owner"

// role is what a child process does: work tasks, serve HTTP, or both.
type role struct {
	name string
	url  string
	logs string
	addr string // where it serves HTTP; empty if it does not
	work bool
}

func (r *role) flags() {
	flag.StringVar(&r.name, "role", "", "of a child process: its name")
	flag.StringVar(&r.url, "url", "", "of a child process: its database")
	flag.StringVar(&r.logs, "logs", "", "of a child process: the directory of its observations")
	flag.StringVar(&r.addr, "addr", "", "of a child process: where it serves")
	flag.BoolVar(&r.work, "work", false, "of a child process: whether it works")
}

// run is the main function of a child process. It closes the node when ctx ends, and exits
// at once when its parent has ended.
func (r *role) run(ctx context.Context, o *options) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	log, err := history.OpenLog(r.logs, r.name)
	if err != nil {
		return err
	}
	if path, ok := strings.CutPrefix(r.url, "sqlite:"); ok {
		driver, err := sqlite.Open(ctx, path)
		if err != nil {
			return err
		}
		defer driver.Close()
		return runNode(ctx, r, observe(driver, log), log)
	}
	driver, err := postgres.Open(ctx, r.url, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	broken, err := mutant.Break(ctx, driver, mutant.Node{URL: r.url, Works: r.work, Lease: lease}, o.mutant)
	if err != nil {
		return err
	}
	return runNode(ctx, r, observe(broken, log), log)
}

func runNode[TTx any](ctx context.Context, r *role, driver driver.Driver[TTx], log *history.Log) error {
	tools := newTools(log)
	node, err := runner.New(ctx, driver, tools, &runner.Config{
		Migrate:           driver.Schema() == "", // SQLite; the Postgres has been migrated
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, nil)),
		HeartbeatInterval: heartbeat,
		SweepInterval:     heartbeat,
		Grace:             time.Second,
		MaxWorkers:        50,
	})
	if err != nil {
		return err
	}
	if r.work {
		if err := node.Start(ctx); err != nil {
			return err
		}
	}
	var served *http.Server
	if r.addr != "" {
		listener, err := net.Listen("tcp", r.addr)
		if err != nil {
			return errors.Join(err, node.Close())
		}
		served = &http.Server{Handler: handler(tools, node.Node), ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = served.Serve(listener) }()
	}
	fmt.Println("ready")
	<-ctx.Done()
	if served != nil {
		stop, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = served.Shutdown(stop) // the end of the process closes what is still open
	}
	return node.Close()
}

func handler(tools *mcptasks.Tools, node *runner.Node) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "chaos", Version: "v1"}, nil)
	mcpserver.Mount(server, tools, node, &mcpserver.Options{
		Owner: func(_ context.Context, req mcp.Request) (mcptasks.Owner, error) {
			return mcptasks.Owner(req.GetExtra().Header.Get(ownerHeader)), nil
		},
	})
	return mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)
}
