// Command interop runs the official clients against examples/conformance and fails unless
// every step of theirs succeeds. The clients are the official tasks client in both
// generations of the protocol, and the TypeScript SDK's own client of 2025-11-25 tasks.
// They run on SQLite and on Postgres. The generation without sessions also runs on two
// nodes.
//
// It needs npm on PATH. The clients and their Node are installed once into the user's
// cache directory. Package testdb says where Postgres comes from.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/mcptasks/mcptasks/internal/proof/testserver"
)

func main() {
	database := flag.String("database", "", "sqlite or postgres; both if empty")
	url := flag.String("url", "", "endpoint of a running server; empty builds and starts examples/conformance")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *database, *url)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

// run runs the clients and prints the table. The servers' logs stay after a failure.
func run(ctx context.Context, database, url string) (err error) {
	settings, err := testserver.Settings(database)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mcptasks-interop-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nthe servers' logs are in %s", err, dir)
			return
		}
		err = os.RemoveAll(dir)
	}()
	programs, err := install(ctx, filepath.Join(dir, "clients"))
	if err != nil {
		return err
	}

	t := &table{}
	if url != "" {
		err = programs.drive(ctx, t, "as given", url)
	} else {
		err = everywhere(ctx, programs, t, settings, dir)
	}
	if err != nil {
		return err
	}
	if !t.print(os.Stdout) {
		return errors.New("a step failed")
	}
	return nil
}

// everywhere runs the clients in each setting.
func everywhere(ctx context.Context, programs *programs, t *table, settings []string, dir string) error {
	program, err := testserver.Build(ctx, dir)
	if err != nil {
		return err
	}
	defer program.Remove()
	for _, setting := range settings {
		url, stop, err := program.Start(ctx, setting)
		if err != nil {
			return err
		}
		if err := errors.Join(programs.drive(ctx, t, setting, url), stop()); err != nil {
			return err
		}
	}
	return nil
}
