package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/npm"
	"github.com/mcptasks/mcptasks/internal/proof/testserver"
)

// The versions are exact, so that the result does not change by itself.
var packages = map[string]string{
	"@modelcontextprotocol/ext-tasks": "0.2.2",
	"@modelcontextprotocol/client":    "2.4.0",
	"@modelcontextprotocol/sdk":       "1.32.2",
}

const packagesKey = "interop-ext-tasks-0.2.2-client-2.4.0-sdk-1.32.2"

//go:embed *.mjs
var sources embed.FS

// A client is a program that makes the steps in one generation of the protocol.
type client struct {
	column   string
	source   string
	args     []string
	sessions bool // it has sessions, which two nodes do not share
}

var clients = []client{
	{column: "modern", source: "exttasks.mjs", args: []string{"modern"}},
	{column: "2025-11-25", source: "exttasks.mjs", args: []string{"legacy"}, sessions: true},
	{column: "2025-11-25, SDK", source: "sdk.mjs", sessions: true},
}

// clientTimeout is for a client that hangs. Each step has a timeout as well.
const clientTimeout = 5 * time.Minute

// programs are the clients' programs, beside what they import.
type programs struct{ node, dir string }

func install(ctx context.Context, dir string) (*programs, error) {
	installed, err := npm.Install(ctx, packagesKey, packages)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, err
	}
	modules := "node_modules"
	if err := os.Symlink(filepath.Join(installed.Dir, modules), filepath.Join(dir, modules)); err != nil {
		return nil, err
	}
	return &programs{node: installed.Node, dir: dir}, nil
}

// drive runs the clients against one server and adds their steps to the table.
func (p *programs) drive(ctx context.Context, t *table, setting, url string) error {
	for _, c := range clients {
		if setting == testserver.TwoNodes && c.sessions {
			t.leaveOut(setting, c.column)
			continue
		}
		output, err := p.run(ctx, c, url)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.read(setting, c.column, output); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("%s, %s: %w", setting, c.column, err)
		}
	}
	return nil
}

// run returns the client's standard output. An error has its standard error.
func (p *programs) run(ctx context.Context, c client, url string) (output []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, clientTimeout, fmt.Errorf("the client did not end within %s", clientTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, p.node, append([]string{filepath.Join(p.dir, c.source), url}, c.args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.Bytes(), fmt.Errorf("%w\n%s", err, npm.Tail(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// An outcome is a client's result of a step.
type outcome struct {
	Step  string `json:"step"`
	Error string `json:"error"` // empty if it succeeded
}

func decodeOutcomes(output []byte) ([]outcome, error) {
	var all []outcome
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil || o.Step == "" {
			return nil, fmt.Errorf("a client wrote %q, which is no step", lines.Text())
		}
		all = append(all, o)
	}
	return all, lines.Err()
}
