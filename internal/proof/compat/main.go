// Command compat builds mcptasks, and runs the tests that River has most to do with,
// on the oldest River that we promise to work with.
//
// What the promise means: go.mod requires a newer River, and Go's minimal version
// selection never selects an older one than that. A program that requires mcptasks
// therefore gets at least go.mod's version. It runs an older River only if its own
// go.mod holds River back with a replace or an exclude directive, for example because
// a release of River broke something else in it. Such a program is on tested ground
// down to the version below, with all of River's modules at that one version. What a
// later River fixed is then missing.
//
// compat/oldest.mod is go.mod with River's modules at that version, and oldest.sum is
// its go.sum. The command fails if oldest.mod is not what go.mod makes it; with -write
// it makes both anew. With -river it tries another version and leaves the files alone.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

const (
	// oldest is the oldest River promised. River 0.51.0 is the first that cancels a
	// running job although its cancel notification was lost.
	oldest  = "v0.51.0"
	modfile = "compat/oldest.mod"
)

// tests are those that River has most to do with, by package.
var tests = []struct{ run, packages string }{
	{"TestStore$|TestReindex", "./store/postgres"},
	{"TestStore$|TestRiver|TestPlan", "./store/sqlite"},
	{".", "./internal/workers"},
	{
		"TestProgram|TestPollOnly$|TestMigrat|TestPlan|TestFetchLost|TestNotificationLost|TestRollingRestart|TestSIGKILL",
		"./internal/e2e/onpostgres ./internal/e2e/onsqlite",
	},
}

func main() {
	write := flag.Bool("write", false, "make "+modfile+" and its sums anew from go.mod")
	river := flag.String("river", "", "try this version of River, not the one promised")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *river, *write)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, river string, write bool) error {
	if river != "" && write {
		return errors.New("-write and -river exclude each other: -write makes the files of the promised version")
	}
	dir, err := os.MkdirTemp("", "compat")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fresh := filepath.Join(dir, "river.mod")
	if river != "" {
		if err := derive(ctx, fresh, river); err != nil {
			return err
		}
		return check(ctx, fresh, river)
	}
	if err := derive(ctx, fresh, oldest); err != nil {
		return err
	}
	if write {
		return errors.Join(copyFile(fresh, modfile), copyFile(sumOf(fresh), sumOf(modfile)))
	}
	if err := same(fresh, modfile); err != nil {
		return err
	}
	return check(ctx, modfile, oldest)
}

// check vets all packages, which compiles them and their tests, and runs the tests.
func check(ctx context.Context, modfile, river string) error {
	fmt.Printf("all packages with River %s\n", river)
	if err := goTool(ctx, "vet", "-modfile="+modfile, "./..."); err != nil {
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

var riverVersion = regexp.MustCompile(`(?m)^(\s*github\.com/riverqueue/river(?:/\S+)?) v\S+`)

// derive writes go.mod with River's modules at a version to the file at path, and its
// sums beside it.
func derive(ctx context.Context, path, river string) error {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	mod = riverVersion.ReplaceAll(mod, []byte("$1 "+river))
	if err := errors.Join(os.WriteFile(path, mod, 0o644), copyFile("go.sum", sumOf(path))); err != nil {
		return err
	}
	// Adds the sums, and the other versions that this River requires.
	if err := goList(ctx, "-modfile="+path, "-mod=mod", "-deps", "-test", "./..."); err != nil {
		return err
	}
	// Raises River again if another requirement of ours needs a newer one.
	if mod, err = os.ReadFile(path); err != nil {
		return err
	}
	for _, line := range riverVersion.FindAllString(string(mod), -1) {
		if !strings.HasSuffix(line, " "+river) {
			return fmt.Errorf("cannot select River %s: a requirement needs%s", river, strings.TrimRight(line, "\n"))
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

func goList(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go list: %w\n%s", err, out)
	}
	return nil
}

func same(fresh, modfile string) error {
	want, err := os.ReadFile(fresh)
	if err != nil {
		return err
	}
	have, err := os.ReadFile(modfile)
	if err == nil && !bytes.Equal(have, want) {
		err = fmt.Errorf("%s is not go.mod with River %s: run go run ./internal/proof/compat -write", modfile, oldest)
	}
	return err
}

func sumOf(modfile string) string { return strings.TrimSuffix(modfile, ".mod") + ".sum" }

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
