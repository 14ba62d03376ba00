package command

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/mcptasks/mcptasks"
)

// Main runs the process's command line and exits with a code that the root's help
// documents. At SIGTERM or SIGINT, serve and work drain within their grace. A second
// signal ends the process at once.
//
// Main sets GOGC to 400, for throughput, unless the environment sets it. In a container
// with a memory limit it sets GOMEMLIMIT to 90 % of the limit, unless the environment
// does: the collector then works harder near the limit.
func Main(tools *mcptasks.Tools, options *Options) {
	tuneCollector(containerLimit())
	ctx := untilSignal()
	p := newProgram(tools, options)
	p.setLogger = slog.SetDefault
	cmd, err := p.root().ExecuteContextC(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, describe(cmd, err))
	}
	os.Exit(ExitCode(err))
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The second
// ends the process, with the exit code that a shell reports for that signal. Both are
// received on one channel, so that the second is not lost however soon it comes.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		if (<-signals) == os.Interrupt {
			os.Exit(exitInterrupted)
		}
		os.Exit(exitTerminated)
	}()
	return ctx
}

const gcPercent = 400

func tuneCollector(limit int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// containerLimit returns the container's memory limit in bytes, 0 if there is none.
func containerLimit() int64 {
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max") // of cgroup v2, as seen from inside
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil { // "max"
		return 0
	}
	return limit
}
