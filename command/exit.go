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
)

// errFaults: doctor has said what is wrong.
var errFaults = errors.New("doctor found faults")

// usageError is a mistake in the command line that only the command can see.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// ranError is an error of a command that ran: any other is cobra's, who could make
// no sense of the command line.
type ranError struct{ error }

func (e ranError) Unwrap() error { return e.error }

// run makes a function a command's RunE.
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

// ExitCode returns the code with which a program should exit after the root that
// New returned has returned err.
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

// describe says what is wrong, and for a wrong command line where to read on.
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
