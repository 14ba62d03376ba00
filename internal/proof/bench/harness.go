//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite" // some figures are on SQLite
)

// waitLimit bounds each wait that takes seconds when all is well.
const waitLimit = time.Minute

// harness has what measures share.
type harness struct {
	*options
	dir    string // for SQLite files
	server *server
	name   string // the figure that is being measured
	files  int    // the number of SQLite files made
}

func newHarness(o *options) (*harness, error) {
	dir, err := os.MkdirTemp("", "mcptasks-bench-")
	if err != nil {
		return nil, err
	}
	return &harness{options: o, dir: dir}, nil
}

func (h *harness) close() {
	if h.server != nil {
		h.server.stop()
	}
	_ = os.RemoveAll(h.dir)
}

func (h *harness) measuring(name string) { h.name = name }

// logf prints progress.
func (h *harness) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", h.name, fmt.Sprintf(format, args...))
}

// describe returns a description of the machine and the database.
func (h *harness) describe(ctx context.Context) string {
	lines := []string{fmt.Sprintf("%d cores, %s, %s/%s, GOGC=%s; pools of %d connections",
		runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, cmp.Or(os.Getenv("GOGC"), fmt.Sprint(gcPercent)), h.connections)}
	if h.server != nil {
		lines = append(lines, h.server.describe(ctx))
	} else {
		lines = append(lines, describeDisk(ctx, h.dir, ""))
	}
	return strings.Join(lines, "\n")
}

// open opens a node as programs do.
func (h *harness) open(ctx context.Context, url string, tools *mcptasks.Tools, config runner.Config) (*runner.Node, error) {
	config.Logger = quiet
	config.Migrate = true
	return runner.Open(ctx, url, tools, &config)
}

// quiet logs errors only. A log line for each task would be measured, too.
var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))

// closing closes what a measure opened, and joins the error to the measure's.
func closing(err *error, close func() error) { *err = errors.Join(*err, close()) }
