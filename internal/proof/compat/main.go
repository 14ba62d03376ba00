// Command compat shows that the Postgres side of mcptasks builds and works with a
// newer River than go.mod requires: compat/river051.mod is go.mod with the versions
// of River's modules raised, and without River's SQLite driver.
//
// It fails if that file is not what go.mod makes it; with -write it is made so.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

const (
	version = "v0.51.0"
	modfile = "compat/river051.mod" // its sums are beside it

	module = "github.com/mcptasks/mcptasks"
	sqlite = "github.com/riverqueue/river/riverdriver/riversqlite"
)

// tests are those that River has most to do with, by package.
var tests = []struct{ run, packages string }{
	{"TestStore$|TestReindex", "./store/postgres"},
	{".", "./workers"},
	{"TestProgram|TestPollOnly$|TestMigrat|TestPlan|TestFetchLost|TestNotificationLost|TestRollingRestart|TestSIGKILL", "./internal/e2e/onpostgres"},
}

func main() {
	write := flag.Bool("write", false, "make "+modfile+" anew from go.mod")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *write)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, write bool) error {
	packages, err := withoutSQLite(ctx)
	if err != nil {
		return err
	}
	if err := compare(ctx, packages, write); err != nil || write {
		return err
	}
	fmt.Printf("%d packages at River %s\n", len(packages), version)
	if err := goTool(ctx, append([]string{"vet", "-modfile=" + modfile}, packages...)...); err != nil {
		return err
	}
	for _, t := range tests {
		args := append([]string{"test", "-modfile=" + modfile, "-run", t.run}, strings.Fields(t.packages)...)
		if err := goTool(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func goTool(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", args[0], err)
	}
	return nil
}

// withoutSQLite returns the module's packages that need no SQLite, nor do their tests.
func withoutSQLite(ctx context.Context) ([]string, error) {
	out, err := output(ctx, "list", "-test", "-json=ImportPath,ForTest,Deps", "./...")
	if err != nil {
		return nil, err
	}
	needs := make(map[string]bool)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, ForTest string
			Deps                []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(p.ImportPath, " ")
		if p.ForTest != "" {
			name = p.ForTest
		}
		name = strings.TrimSuffix(name, ".test")
		needs[name] = needs[name] || slices.Contains(p.Deps, sqlite)
	}
	var packages []string
	for name, needsSQLite := range needs {
		if !needsSQLite && strings.HasPrefix(name, module) {
			packages = append(packages, name)
		}
	}
	slices.Sort(packages)
	for _, t := range tests {
		for name := range strings.FieldsSeq(t.packages) {
			if !slices.Contains(packages, module+strings.TrimPrefix(name, ".")) {
				return nil, fmt.Errorf("%s, or its tests, need SQLite: no test package may import both drivers", name)
			}
		}
	}
	return packages, nil
}

var riverVersion = regexp.MustCompile(`(?m)^(\s*github\.com/riverqueue/river\S*) v\S+`)

// compare makes the file anew and compares it with the one there is.
func compare(ctx context.Context, packages []string, write bool) error {
	ours, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.Split(string(ours), "\n"), func(line string) bool {
		return strings.Contains(line, sqlite+" ")
	})
	raised := riverVersion.ReplaceAllString(strings.Join(lines, "\n"), "$1 "+version)

	dir, err := os.MkdirTemp("", "compat")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fresh := filepath.Join(dir, "river.mod")
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(fresh, []byte(raised), 0o644), os.WriteFile(sumOf(fresh), sums, 0o644)); err != nil {
		return err
	}
	// Raises what the newer River needs newer.
	if _, err := output(ctx, append([]string{"list", "-modfile=" + fresh, "-mod=mod", "-deps", "-test"}, packages...)...); err != nil {
		return err
	}
	if write {
		return errors.Join(move(fresh, modfile), move(sumOf(fresh), sumOf(modfile)))
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		return err
	}
	is, err := os.ReadFile(modfile)
	if err == nil && !bytes.Equal(is, want) {
		err = fmt.Errorf("%s is not go.mod with River %s: run go run ./internal/proof/compat -write", modfile, version)
	}
	return err
}

func sumOf(modfile string) string { return strings.TrimSuffix(modfile, ".mod") + ".sum" }

func move(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, &stderr)
	}
	return out, nil
}
