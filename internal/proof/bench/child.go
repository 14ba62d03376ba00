//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// roles are what child processes of the bench do. A role works on the database at a URL
// and reports events on its standard output, a line each.
var roles = map[string]func(context.Context, *options) error{
	"serve":  serve,
	"cancel": workUntilCancelled,
	"hold":   hold,
	"rescue": rescue,
	"park":   park,
}

// playRole is the main function of a child process. It exits when its parent has ended.
func playRole(ctx context.Context, o *options) error {
	run, ok := roles[o.role]
	if !ok {
		return fmt.Errorf("unknown role %q; there are %s", o.role, strings.Join(slices.Sorted(maps.Keys(roles)), ", "))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	return run(ctx, o)
}

// child is a process with a role.
type child struct {
	role  string
	cmd   *exec.Cmd
	stdin io.Closer // the process exits when this is closed
	lines chan string
	ended chan struct{}
}

func startChild(role, url string, flags ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{
		role:  role,
		cmd:   exec.Command(self, append(flags, "-role", role, "-url", url)...), //nolint:gosec // this program
		lines: make(chan string, 1000),
		ended: make(chan struct{}),
	}
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C goes to this process alone
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		defer close(c.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
		_ = c.cmd.Wait() // an error is on its standard error
	}()
	return c, nil
}

// next returns the words of the next line after the first word, which must be word.
func (c *child) next(ctx context.Context, word string) ([]string, error) {
	select {
	case line, ok := <-c.lines:
		if !ok {
			return nil, fmt.Errorf("the process %q ended before it said %q", c.role, word)
		}
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != word {
			return nil, fmt.Errorf("the process %q said %q, not %q", c.role, line, word)
		}
		return words[1:], nil
	case <-time.After(waitLimit):
		return nil, fmt.Errorf("the process %q did not say %q within %s", c.role, word, waitLimit)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// kill ends the process with SIGKILL and returns when it has ended.
func (c *child) kill() error {
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	for range c.lines { // read its last lines
	}
	<-c.ended
	_ = c.stdin.Close()
	return err
}
