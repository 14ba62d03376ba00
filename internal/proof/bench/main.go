//go:build unix

// Command bench measures how near mcptasks is to the limit of its database, and whether
// that changes as the database grows. Most figures are ratios of mcptasks, through the
// API that programs use, to a baseline without it. Both sides take turns on one machine
// with the same connections, durability and load.
//
// Beside the values of a ratio, the table has the CPU time of an operation on both
// sides in microseconds: that of this process, its children and the Postgres. It depends
// less on the machine than wall time does. It is n/a on systems other than Linux, and
// with -database.
//
//	go run ./internal/proof/bench -json figures.json
//
// It starts a throwaway Postgres with fsync on, or uses the server that -database names,
// whose user must be allowed to create databases. The exit status is 0 if everything was
// measured and, with -judge, all goals were met.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
)

type options struct {
	run      string
	database string
	json     string
	markdown bool
	judge    bool
	quick    bool

	connections  int
	rounds       int
	growthRounds int
	duration     time.Duration
	drained      int
	drainedFile  int
	polledTasks  int
	arrivals     int
	cancels      int
	recovered    int
	parked       int
	past         int
	grownTasks   int
	idle         time.Duration

	role, url string
}

func (o *options) flags() {
	flag.StringVar(&o.run, "run", "", "measure only figures whose names match this regular expression")
	flag.StringVar(&o.database, "database", os.Getenv("MCPTASKS_TEST_DATABASE_URL"), "a postgres:// URL of a server to measure on; empty starts a throwaway one")
	flag.StringVar(&o.json, "json", "", "write the figures to this file, too")
	flag.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	flag.BoolVar(&o.judge, "judge", false, "exit with status 1 if a goal is missed")
	flag.BoolVar(&o.quick, "quick", false, "only check that everything can be measured: one short round, not judged")
	flag.IntVar(&o.connections, "connections", 64, "the size of both pools of a ratio, ours and the baseline's")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each figure is measured")
	flag.IntVar(&o.growthRounds, "growth-rounds", 9, "how often growth is measured")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "how long each side of a ratio is measured in a round")
	flag.IntVar(&o.drained, "drain-tasks", 20_000, "how many tasks are drained in a round")
	flag.IntVar(&o.drainedFile, "drain-tasks-sqlite", 2_000, "how many tasks are drained in a round on SQLite")
	flag.IntVar(&o.polledTasks, "poll-tasks", 5_000, "how many tasks with a result are polled, beside a fifth as many that are working")
	flag.IntVar(&o.arrivals, "arrivals", 400, "how many tasks arrive in a round that measures latency")
	flag.IntVar(&o.cancels, "cancels", 200, "how many runs are cancelled in a round")
	flag.IntVar(&o.recovered, "recovery-tasks", 200, "how many tasks run on the node that is killed")
	flag.IntVar(&o.parked, "parked", 10_000, "how many tasks are parked")
	flag.IntVar(&o.past, "past", 1_000_000, "how many finished tasks the large database has")
	flag.IntVar(&o.grownTasks, "growth-tasks", 5_000, "how many tasks are created and drained in a round of growth")
	flag.DurationVar(&o.idle, "idle", 15*time.Second, "how long an idle node is measured in a round")
	flag.StringVar(&o.role, "role", "", "of a child process: what it does")
	flag.StringVar(&o.url, "url", "", "of a child process: its database")
}

// shorten makes everything as short as it can be and still work.
func (o *options) shorten() {
	o.rounds, o.growthRounds = 1, 1
	o.duration = 300 * time.Millisecond
	o.drained, o.drainedFile = 1_000, 100
	o.polledTasks = 500
	o.arrivals, o.cancels, o.recovered, o.parked, o.past, o.grownTasks = 20, 20, 20, 200, 20_000, 200
	o.idle = 2 * time.Second
}

// gcPercent is the GOGC of both sides, in this process and its children. It is what
// command.Main sets.
const gcPercent = 400

func main() {
	var o options
	o.flags()
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	do := run
	if o.role != "" {
		do = playRole
	}
	err := do(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	wanted, err := regexp.Compile(o.run)
	if err != nil {
		return err
	}
	if flag.NArg() > 0 || o.rounds < 1 || o.growthRounds < 1 || (o.quick && o.judge) {
		return errors.New("there are no arguments but flags, at least one round, and -quick is not judged")
	}
	if o.quick {
		o.shorten()
	}
	h, err := newHarness(o)
	if err != nil {
		return err
	}
	defer h.close()
	var rows []figures.Row
	var failed []error
	for _, m := range measures() {
		if !m.matches(wanted) {
			continue
		}
		measured, err := m.run(ctx, h)
		rows = append(rows, measured...)
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(failed, o.report(ctx, h, rows))...)
}

// report prints the figures and what they were measured on.
func (o *options) report(ctx context.Context, h *harness, rows []figures.Row) error {
	if len(rows) == 0 {
		return errors.New("nothing was measured")
	}
	write := figures.Table
	if o.markdown {
		write = figures.Markdown
	}
	fmt.Printf("\n%s\n\n", h.describe(ctx))
	err := write(os.Stdout, rows)
	if o.json != "" {
		err = errors.Join(err, figures.WriteJSON(o.json, rows))
	}
	if missed := figures.Missed(rows); o.judge && len(missed) > 0 {
		err = errors.Join(err, fmt.Errorf("goals missed: %s", strings.Join(missed, ", ")))
	}
	return err
}
