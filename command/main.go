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

// Main runs the command line of the process and ends it with the exit code that
// the root's help documents. SIGTERM and SIGINT end serve and work in good order
// within their grace; a second one ends the process at once.
//
// It sets the garbage collector for throughput, unless GOGC and GOMEMLIMIT do:
// GOGC 400, and, in a container with a memory limit, a soft limit of 90 % of that,
// near which the collector works harder again.
func Main(tools *mcptasks.Tools, options *Options) {
	tuneCollector(containerLimit())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := newProgram(tools, options)
	p.setLogger = slog.SetDefault
	cmd, err := p.root().ExecuteContextC(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, describe(cmd, err))
	}
	os.Exit(ExitCode(err))
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

// containerLimit returns the bytes that the container may use, 0 if there is no
// limit or this is no container.
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
