package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
)

// The exit codes that the root's help documents.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitNotFound = 3
	exitConflict = 4
	exitFaults   = 5

	exitInterrupted = 128 + 2 // by a second SIGINT
	exitTerminated  = 128 + 15
)

// errFaults is the error of doctor after it has printed faults.
var errFaults = errors.New("doctor found faults")

// usageError is a mistake in the command line that cobra does not find.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// ranError is an error of a command that ran. Any other error is cobra's, about the
// command line.
type ranError struct{ error }

func (e ranError) Unwrap() error { return e.error }

// run returns a RunE that reads the environment and calls fn.
func run(fn func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := readEnvironment(cmd)
		if err == nil {
			err = fn(cmd, args)
		}
		if err == nil {
			return nil
		}
		return ranError{err}
	}
}

// ExitCode returns the code with which a program should exit after the root command
// returned err.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case !errors.As(err, new(ranError)), errors.As(err, new(usageError)), errors.Is(err, mcptasks.ErrInvalid):
		return exitUsage
	case errors.Is(err, errFaults):
		return exitFaults
	case errors.Is(err, mcptasks.ErrNotFound):
		return exitNotFound
	case errors.Is(err, mcptasks.ErrConflict), errors.Is(err, mcptasks.ErrTerminal):
		return exitConflict
	default:
		return exitFailure
	}
}

// describe returns the error's text. For a wrong command line it adds where to read
// more.
func describe(cmd *cobra.Command, err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := err.Error()
	if name := cmd.Root().Name() + ": "; !strings.HasPrefix(text, name) {
		text = name + text
	}
	if ExitCode(err) == exitUsage {
		text += fmt.Sprintf("\nSee '%s --help'.", cmd.CommandPath())
	}
	return text
}
