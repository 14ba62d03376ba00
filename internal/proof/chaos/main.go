//go:build unix

// Command chaos checks the invariants of mcptasks while faults are injected. It runs real
// processes on one database. Clients create, poll, answer and cancel tasks over HTTP.
// Meanwhile it kills, freezes and restarts the processes, makes the database unreachable
// and drops its replies. When all tasks have ended it checks the clients' answers, the
// handlers' observations and the tables against the invariants.
//
//	go run ./internal/proof/chaos -seed 1 -duration 60s -database postgres
//
// A seed determines the schedule of faults. What the processes are doing when a fault
// comes varies between runs. The exit status is 0 only if no invariant was violated and
// the run did enough to tell.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/mutant"
)

type options struct {
	seed     uint64
	duration time.Duration
	database string
	mutant   string
	plan     bool
	keep     bool
	role     role
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "determines the schedule of faults")
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long faults are injected; at least 20s")
	flag.StringVar(&o.database, "database", "postgres", "postgres or sqlite")
	flag.StringVar(&o.mutant, "mutant", "", "break the nodes in one way, to check that it is found: "+strings.Join(mutant.Names(), ", "))
	flag.BoolVar(&o.plan, "plan", false, "print the schedule and end")
	flag.BoolVar(&o.keep, "keep", false, "keep the logs even if nothing failed")
	o.role.flags()
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	run := chaos
	if o.role.name != "" {
		run = o.role.run
	}
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}
