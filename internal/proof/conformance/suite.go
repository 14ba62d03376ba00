package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/npm"
	"github.com/mcptasks/mcptasks/internal/proof/testserver"
)

// The version is exact: the expected checks are counted for it.
const (
	suitePackage = "@modelcontextprotocol/conformance"
	suiteVersion = "0.2.0-alpha.12"
)

// A scenario is a scenario of the suite, with the number of checks that a correct server
// passes.
type scenario struct {
	name   string
	checks int
}

// A round is one run of the suite: of one scenario, or of all that a revision of the
// protocol requires.
type round struct {
	name      string
	args      []string
	scenarios []scenario
}

// rounds are the tasks scenarios one by one, and both general suites. The tasks scenarios
// are named with --scenario: the suite skips them with --spec-version, and ignores their
// failures with --requirements.
func rounds() []round {
	var all []round
	for _, sc := range tasksScenarios {
		all = append(all, round{sc.name, []string{"--scenario", sc.name}, []scenario{sc}})
	}
	return append(all,
		round{"2026-07-28", []string{"--requirements", "2026-07-28"}, modernScenarios},
		round{"2025-11-25", []string{"--suite", "all", "--spec-version", "2025-11-25"}, legacyScenarios})
}

// tasksRounds is the number of tasks scenarios in rounds.
var tasksRounds = len(tasksScenarios)

// choose returns the named rounds in the given order. Without names it returns all that the
// setting must pass. Two nodes are not for the general suites: these have sessions, and
// change the lists of the server that they talk to.
func choose(names, setting string) ([]round, error) {
	all := rounds()
	if names == "" {
		if setting == testserver.TwoNodes {
			return all[:tasksRounds], nil
		}
		return all, nil
	}
	var chosen []round
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(r round) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no expected number of checks for %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// A suite is an installed suite.
type suite struct {
	node   string
	script string
}

func install(ctx context.Context) (suite, error) {
	installed, err := npm.Install(ctx, "conformance-"+suiteVersion, map[string]string{suitePackage: suiteVersion})
	if err != nil {
		return suite{}, err
	}
	s := suite{
		node:   installed.Node,
		script: filepath.Join(installed.Dir, "node_modules", filepath.FromSlash(suitePackage), "dist", "index.js"),
	}
	_, err = os.Stat(s.script)
	return s, err
}

// After the first timeout the suite ends a scenario with a failed check. The second is for
// a suite that does not end.
const (
	scenarioTimeout = time.Minute
	roundTimeout    = 5 * time.Minute
)

// run runs one round against the server at url and returns the results of its scenarios,
// from the checks that the suite writes below out.
func (s suite) run(ctx context.Context, url string, r round, out string) []result {
	ctx, cancel := context.WithTimeoutCause(ctx, roundTimeout, fmt.Errorf("the suite did not end within %s", roundTimeout))
	defer cancel()
	args := append([]string{
		s.script, "server", "--url", url, "-o", out, "--timeout", fmt.Sprint(scenarioTimeout.Milliseconds()),
	}, r.args...)
	output, err := exec.CommandContext(ctx, s.node, args...).CombinedOutput()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var results []result
	for _, sc := range r.scenarios {
		checks, readErr := readScenario(out, sc.name)
		if readErr != nil {
			readErr = fmt.Errorf("%w\n%s", errors.Join(readErr, err), npm.Tail(output))
		}
		results = append(results, judge(sc, checks, readErr))
	}
	return results
}

// readScenario reads the checks of a scenario. The suite writes them into a directory with
// the scenario's name and the time.
func readScenario(out, name string) ([]check, error) {
	files, err := filepath.Glob(filepath.Join(out, "server-"+name+"-20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*", "checks.json"))
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the suite wrote %d checks.json of %s, want one", len(files), name)
	}
	f, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readChecks(f)
}
