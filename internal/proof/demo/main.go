// Command demo shows what mcptasks is for. It starts examples/quickstart on a new SQLite
// file, calls its tool over HTTP, kills the process with SIGKILL during the task, starts
// it again on the same file, and follows the same task to its result.
//
// The exit status is 0, and the last line begins with PASS, only if nothing was lost and
// no recorded step ran twice.
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
)

const (
	serverPackage = "github.com/mcptasks/mcptasks/examples/quickstart"

	buildTimeout = 10 * time.Minute // of the first build, with nothing in Go's cache
	demoTimeout  = time.Minute
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
	dir, err := os.MkdirTemp("", "mcptasks-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "quickstart")
	if err := build(ctx, binary); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, fmt.Errorf("the demo did not end within %s", demoTimeout))
	defer cancel()
	s := newScreen(os.Stdout)
	seen, err := scenario(ctx, s, binary, "sqlite:"+filepath.Join(dir, "demo.db"))
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	s.table(seen)
	if complaints := seen.complaints(); len(complaints) > 0 {
		return errors.New(strings.Join(complaints, "; "))
	}
	fmt.Printf("PASS: process %d was killed with %d of %d steps recorded; process %d completed the same task and ran none of them again\n",
		seen.first, seen.recordedBy(seen.first), seen.steps, seen.second)
	return nil
}

func build(ctx context.Context, binary string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	fmt.Println("building", serverPackage)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, serverPackage)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s was not built: %w", serverPackage, err)
	}
	return nil
}
