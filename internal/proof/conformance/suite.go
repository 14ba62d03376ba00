package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A scenario is one of the suite's, with the checks it makes of a server that
// does everything right: its own, and wire-schema-valid, which the suite adds to
// every scenario that sent something.
type scenario struct {
	name   string
	checks int
	later  bool // needs what the server does not do yet: runs only when named
}

// scenarios are the suite's tasks scenarios, 44 checks in all, counted in the
// code of suiteVersion. Missing is tasks-status-notifications, which sends
// nothing and always skips itself.
var scenarios = []scenario{
	{name: "tasks-lifecycle", checks: 9},
	{name: "tasks-capability-negotiation", checks: 5},
	{name: "tasks-wire-fields", checks: 4},
	{name: "tasks-request-state-removal", checks: 3},
	{name: "tasks-required-task-error", checks: 3},
	{name: "tasks-dispatch-and-envelope", checks: 9},
	{name: "tasks-request-headers", checks: 5, later: true},
	{name: "tasks-mrtr-input", checks: 4, later: true},
	{name: "tasks-mrtr-composition", checks: 2, later: true},
}

// choose returns the scenarios named, in the order named, or all that must pass.
func choose(names string) ([]scenario, error) {
	var chosen []scenario
	if names == "" {
		for _, sc := range scenarios {
			if !sc.later {
				chosen = append(chosen, sc)
			}
		}
		return chosen, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(scenarios, func(sc scenario) bool { return sc.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no expected number of checks for scenario %q", name)
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

// A suite is an installed suite.
type suite struct {
	node   string
	script string
}

func suiteIn(dir string) suite {
	modules := filepath.Join(dir, "node_modules")
	return suite{
		node:   filepath.Join(modules, "node", "bin", "node"),
		script: filepath.Join(modules, filepath.FromSlash(suitePackage), "dist", "index.js"),
	}
}

// The suite ends a scenario at the first, with a failed check; the second is for
// a suite that does not.
const (
	scenarioTimeout = time.Minute
	processTimeout  = scenarioTimeout + 30*time.Second
)

// run runs one scenario against the server at url and returns the checks that
// the suite wrote below out. The exit code says nothing that they do not.
// No --spec-version: with it the suite skips every tasks scenario.
func (s suite) run(ctx context.Context, url, name, out string) ([]check, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, processTimeout,
		fmt.Errorf("the suite did not end within %s", processTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, s.node, s.script, "server",
		"--url", url, "--scenario", name, "-o", out,
		"--timeout", fmt.Sprint(scenarioTimeout.Milliseconds()))
	output, runErr := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}

	// The suite makes a directory with the time in its name.
	files, err := filepath.Glob(filepath.Join(out, "*", "checks.json"))
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the suite wrote %d checks.json, want one (%w)\n%s", len(files), runErr, tail(output))
	}
	f, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readChecks(f)
}
