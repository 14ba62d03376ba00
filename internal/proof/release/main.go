// Command release checks what a release must not break: go.mod and go.sum are tidy, each
// module that is needed has a licence of an allowed kind, each exported name has a doc
// comment, and the API has not lost anything since the last tag. Before v1 a lost part
// of the API is only printed, for CHANGELOG.md.
//
// It runs in the module's root and needs git. Without a tag there is no API to compare
// with; it says so.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release-check:", err)
		os.Exit(1)
	}
}

// run makes all checks, also after one that has failed.
func run(ctx context.Context) error {
	var failed []error
	for _, check := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"tidy", tidy},
		{"licences", licences},
		{"doc comments", docComments},
		{"API", api},
	} {
		result, err := check.do(ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", check.name, err))
			result = "failed"
		}
		fmt.Printf("%s: %s\n", check.name, result)
	}
	return errors.Join(failed...)
}

func tidy(ctx context.Context) (string, error) {
	_, err := output(ctx, ".", "go", "mod", "tidy", "-diff")
	return "go.mod and go.sum are tidy", err
}

// output runs a program in a directory and returns its standard output. An error has
// both outputs.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}
