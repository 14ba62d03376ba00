// Command conformance runs the official MCP conformance suite against
// examples/conformance: the tasks scenarios one by one, and everything that the revisions
// 2026-07-28 and 2025-11-25 require of a server. It fails unless every expected check
// passes on SQLite and on Postgres. The tasks scenarios also run on two nodes.
//
// The suite's exit code is not used, since it is zero for a skipped scenario. The command
// reads checks.json: each scenario must have the number of passed checks that is in the
// tables of scenarios.go.
//
// It needs npm on PATH. The suite and its Node are installed once into the user's cache
// directory. Package testdb says where Postgres comes from.
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
	names := flag.String("rounds", "", "comma-separated: tasks scenarios, 2026-07-28, 2025-11-25; empty runs all")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *database, *url, *names)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run runs the suite and prints the table. The suite's output and the servers' logs stay
// after a failure.
func run(ctx context.Context, database, url, names string) (err error) {
	settings, err := testserver.Settings(database)
	if err != nil {
		return err
	}
	if _, err := choose(names, ""); err != nil {
		return err
	}
	s, err := install(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mcptasks-conformance-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nthe suite's output and the servers' logs are in %s", err, dir)
			return
		}
		err = os.RemoveAll(dir)
	}()

	var rows []row
	if url != "" {
		rows, err = s.all(ctx, "as given", url, names, dir)
	} else {
		rows, err = s.everywhere(ctx, settings, names, dir)
	}
	if err != nil {
		return err
	}
	if !report(os.Stdout, rows) {
		return errors.New("not conformant")
	}
	return nil
}

// everywhere runs the rounds in each setting.
func (s suite) everywhere(ctx context.Context, settings []string, names, dir string) ([]row, error) {
	program, err := testserver.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer program.Remove()
	var rows []row
	for _, setting := range settings {
		url, stop, err := program.Start(ctx, setting)
		if err != nil {
			return nil, err
		}
		more, err := s.all(ctx, setting, url, names, filepath.Join(dir, setting))
		if err := errors.Join(err, stop()); err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// all runs the rounds against one server.
func (s suite) all(ctx context.Context, setting, url, names, dir string) ([]row, error) {
	chosen, err := choose(names, setting)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, r := range chosen {
		results := s.run(ctx, url, r, filepath.Join(dir, r.name))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		rows = append(rows, row{setting, r.name, results})
	}
	return rows, nil
}
