//go:build unix

// Command chaos proves the invariants of mcptasks against a seeded adversary. It
// runs real processes on one database, lets clients create, poll, answer and cancel
// tasks over HTTP, kills, freezes and restarts the processes, takes the database
// away and loses its replies; and when all has come to rest it holds what clients
// were told, what handlers recordWrites and what the tables say to the invariants.
//
//	go run ./internal/proof/chaos -seed 1 -duration 60s -database postgres
//
// One seed is one schedule of faults; what they meet is up to the machine. The exit
// status is 0 only if nothing was violated and enough was done.
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
	flag.Uint64Var(&o.seed, "seed", 1, "draws the schedule of faults")
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long the adversary acts; at least 20s")
	flag.StringVar(&o.database, "database", "postgres", "postgres or sqlite")
	flag.StringVar(&o.mutant, "mutant", "", "break the nodes in one way, to see that it is found: "+strings.Join(mutant.Names(), ", "))
	flag.BoolVar(&o.plan, "plan", false, "print the schedule and end")
	flag.BoolVar(&o.keep, "keep", false, "keep the logs even if all is well")
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
