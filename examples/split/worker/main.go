// Command worker works the tasks that servers and producers make. Any number of them
// may run on one database; it serves nobody.
//
// SIGTERM drains it: it takes no more tasks, lets runs end for the grace of 30
// seconds, and gives up to the other workers what has not ended by then. A second
// one ends it at once.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/mcptasks/mcptasks/examples/split/tools"
	"github.com/mcptasks/mcptasks/examples/split/work"
	"github.com/mcptasks/mcptasks/ops"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/postgres" // what DATABASE_URL names
)

func main() {
	opsAddr := flag.String("ops", ":9090", "address that answers /healthz, /readyz and /metrics")
	concurrency := flag.Int("concurrency", 100, "how many tasks run at once")
	probe := flag.Bool("probe", false, "ask the worker that runs here whether it is ready, and end: a container's health check")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	run := func() error { return run(ctx, *opsAddr, *concurrency) }
	if *probe {
		run = func() error { return ops.Probe(ctx, *opsAddr) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, opsAddr string, concurrency int) error {
	exporter, err := ops.Metrics()
	if err != nil {
		return err
	}
	defer exporter.Close()
	node, err := runner.Open(ctx, os.Getenv("DATABASE_URL"), tools.New(work.Ship), &runner.Config{
		MaxWorkers:    concurrency,
		MeterProvider: exporter.MeterProvider(),
	})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer node.Close()
	probes, err := ops.Listen(ctx, opsAddr, ops.Handler(node, exporter))
	if err != nil {
		return err
	}
	defer probes.Close() // the last to go: until then /readyz says that the node is stopping

	if err := node.Start(ctx); err != nil {
		return err
	}
	log.Printf("working; probes on http://%s", probes.Addr())
	<-ctx.Done()
	return node.Stop(context.Background())
}
