// Command conformance runs the official MCP conformance suite's tasks scenarios
// against examples/conformance and fails unless every expected check passed.
//
// The suite's own exit code is not trusted: it is zero for a scenario that was
// skipped. Its checks.json is read instead, and each scenario must deliver the
// number of passed checks that the table in suite.go holds.
//
// It needs npm on PATH. The suite and the Node it wants are installed once into
// the user's cache directory. With DATABASE_URL set the server under test works
// on that database, otherwise on a SQLite file of its own.
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
)

func main() {
	url := flag.String("url", "", "endpoint of a running server; empty builds and starts examples/conformance")
	names := flag.String("scenarios", "", "comma-separated scenarios; empty runs all that must pass")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *url, *names)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run leaves nothing behind but the cache when all is well; after a failure the
// suite's output and the server's log stay for the reader.
func run(ctx context.Context, url, names string) (err error) {
	wanted, err := choose(names)
	if err != nil {
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
			err = fmt.Errorf("%w\nthe suite's output and the server's log are in %s", err, dir)
			return
		}
		err = os.RemoveAll(dir)
	}()

	if url == "" {
		srv, err := startServer(ctx, dir)
		if err != nil {
			return err
		}
		defer srv.stop()
		url = srv.url
	}

	var results []result
	for _, sc := range wanted {
		checks, err := s.run(ctx, url, sc.name, filepath.Join(dir, sc.name))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		results = append(results, judge(sc, checks, err))
	}
	if !report(os.Stdout, results) {
		return errors.New("not conformant")
	}
	return nil
}
