//go:build unix

// Command split runs examples/split as it is deployed, but without Docker: two servers, two
// workers and a producer, each in its own process, on a throwaway Postgres. A client calls
// the tool through a load balancer, and the producer creates tasks in its transactions.
// Meanwhile a worker and the producer are killed, and all services are restarted one after
// the other.
//
// The exit status is 0, and the last line begins with PASS, only if every call and every
// order became one task, each task was completed, and no request failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mcptasks/mcptasks/internal/testdb"
)

const (
	programs = "github.com/mcptasks/mcptasks/examples/split/..."

	buildTimeout    = 10 * time.Minute // of the first build, with nothing in Go's cache
	scenarioTimeout = 3 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "mcptasks-split-")
	if err != nil {
		return err
	}
	if err := build(ctx, dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	log := newProgressLog(os.Stdout)
	log.say("split", "starting Postgres")
	url, drop, err := testdb.Database(ctx)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	seen, err := scenarioWithin(ctx, log, dir, url)
	if err == nil {
		err = judge(seen)
	}
	if err = errors.Join(err, drop()); err != nil {
		return fmt.Errorf("%w\nthe logs are in %s", err, dir)
	}
	fmt.Printf("\nPASS: %d calls and %d orders became %d tasks in other processes, and all were completed: through kill -9 of a worker and of the producer, and a restart of everything, no request failed\n",
		len(seen.calls), len(seen.orders), len(seen.tasks))
	return os.RemoveAll(dir)
}

// build builds the programs into one directory, as the Dockerfile does.
func build(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	fmt.Println("building examples/split")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), programs)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("examples/split was not built: %w", err)
	}
	return nil
}

func scenarioWithin(ctx context.Context, log *progressLog, dir, url string) (*results, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, scenarioTimeout, fmt.Errorf("it did not end within %s", scenarioTimeout))
	defer cancel()
	seen, err := scenario(ctx, log, dir, url)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return seen, err
}

// judge prints the results and returns what is wrong with them.
func judge(seen *results) error {
	seen.table(os.Stdout)
	if complaints := seen.complaints(); len(complaints) > 0 {
		return errors.New(strings.Join(complaints, "; "))
	}
	return nil
}
