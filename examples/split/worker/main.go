// Command worker runs the tasks that servers and producers create. Several workers may run
// on one database. A worker serves no clients.
//
// SIGTERM drains it: it starts no more tasks, and runs have 30 seconds to end. Other
// workers run the tasks again that have not ended by then. A second signal ends it at once.
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
	_ "github.com/mcptasks/mcptasks/store/postgres" // the database that DATABASE_URL names
)

func main() {
	opsAddr := flag.String("ops", ":9090", "address that answers /healthz, /readyz and /metrics")
	concurrency := flag.Int("concurrency", 100, "how many tasks run at the same time")
	probe := flag.Bool("probe", false, "exit with 0 if the worker on this machine is ready: a container's health check")
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
	defer probes.Close() // last, so that /readyz reports to the end that the node is stopping

	if err := node.Start(ctx); err != nil {
		return err
	}
	log.Printf("working; probes on http://%s", probes.Addr())
	<-ctx.Done()
	return node.Stop(context.Background())
}
