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

// roles are what a process of this program may be started to do, on the database at a
// URL, for measures that need more than one process or one of their own. A role says
// what has happened in lines of words.
var roles = map[string]func(context.Context, *options) error{
	"serve":  serve,
	"cancel": workUntilCancelled,
	"hold":   hold,
	"rescue": rescue,
	"park":   park,
}

// playRole is a child's main. It ends when the program that started it has gone.
func playRole(ctx context.Context, o *options) error {
	run, ok := roles[o.role]
	if !ok {
		return fmt.Errorf("the role %q is none of %s", o.role, strings.Join(slices.Sorted(maps.Keys(roles)), ", "))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	return run(ctx, o)
}

// child is a process in a role.
type child struct {
	role  string
	cmd   *exec.Cmd
	life  io.Closer // it ends itself when this is closed
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
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for us
	if c.life, err = c.cmd.StdinPipe(); err != nil {
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
		_ = c.cmd.Wait() // how it ended is for its standard error to say
	}()
	return c, nil
}

// next returns the words of the next line, which has to begin with one.
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

// kill ends the process with SIGKILL, unless it has ended, and returns when it has.
func (c *child) kill() error {
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	for range c.lines { // whatever it had still to say
	}
	<-c.ended
	_ = c.life.Close()
	return err
}
