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
	_ "github.com/mcptasks/mcptasks/store/sqlite" // its figures are beside Postgres's
)

// patience bounds what takes seconds when all is well.
const patience = time.Minute

// lab is where measures are taken.
type lab struct {
	*options
	dir    string // for SQLite files
	server *server
	name   string // of what is being measured
	files  int    // of SQLite that were made
}

func newLab(o *options) (*lab, error) {
	dir, err := os.MkdirTemp("", "mcptasks-bench-")
	if err != nil {
		return nil, err
	}
	return &lab{options: o, dir: dir}, nil
}

func (l *lab) close() {
	if l.server != nil {
		l.server.stop()
	}
	_ = os.RemoveAll(l.dir)
}

func (l *lab) measuring(name string) { l.name = name }

// say tells those who wait how it is going.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", l.name, fmt.Sprintf(format, args...))
}

// describe says what the figures were measured on.
func (l *lab) describe(ctx context.Context) string {
	lines := []string{fmt.Sprintf("%d cores, %s, %s/%s, GOGC=%s; pools of %d connections",
		runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, cmp.Or(os.Getenv("GOGC"), fmt.Sprint(gcPercent)), l.connections)}
	if l.server != nil {
		lines = append(lines, l.server.describe(ctx))
	}
	return strings.Join(lines, "\n")
}

// open opens a node on the database, as a program does.
func (l *lab) open(ctx context.Context, url string, tools *mcptasks.Tools, config runner.Config) (*runner.Node, error) {
	config.Logger = quiet
	config.Migrate = true
	return runner.Open(ctx, url, tools, &config)
}

// quiet logs what goes wrong and nothing else: a log line a task would be measured.
var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))

// closing closes what a measure opened, and has its error join the measure's.
func closing(err *error, close func() error) { *err = errors.Join(*err, close()) }
