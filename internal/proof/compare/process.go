//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// process is a running load program.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// gcPercent is GOGC of the load programs: the one that command.Main sets.
const gcPercent = "GOGC=400"

func start(ctx context.Context, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...)}
	p.cmd.Env = append(os.Environ(), gcPercent)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(out)
	return p, p.cmd.Start()
}

// until returns the lines that the program prints before this one.
func (p *process) until(line string) ([]string, error) {
	var lines []string
	for p.lines.Scan() {
		if p.lines.Text() == line {
			return lines, nil
		}
		lines = append(lines, p.lines.Text())
	}
	return nil, fmt.Errorf("the load program ended before it printed %q; its last lines: %s", line, strings.Join(lines[max(len(lines)-3, 0):], "; "))
}

// begin has the program do its operations.
func (p *process) begin() error {
	_, err := io.WriteString(p.stdin, "\n")
	return err
}

// end has the program end, and returns when it has.
func (p *process) end() error {
	_ = p.begin() // a program that serves waits for it; one that has ended does not read it
	_ = p.stdin.Close()
	for p.lines.Scan() { // until it has closed its output
	}
	return p.cmd.Wait()
}
