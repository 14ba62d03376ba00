package command_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mcptasks/mcptasks/command"
)

var update = flag.Bool("update", false, "rewrite testdata")

func newRoot() *cobra.Command { return command.New(newTools(), options) }

// walk calls fn for each command except cobra's own.
func walk(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, fn)
	}
}

// golden compares got with the file, which -update rewrites.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	t.Errorf("%s differs; if that is meant, run the tests with -update", path)
	for i, line := range strings.Split(got, "\n") {
		if wanted := strings.Split(string(want), "\n"); i >= len(wanted) || line != wanted[i] {
			t.Fatalf("line %d is now\n%s", i+1, line)
		}
	}
}

// TestHelp makes a change of any help visible in a review.
func TestHelp(t *testing.T) {
	var all strings.Builder
	walk(newRoot(), func(cmd *cobra.Command) {
		var out bytes.Buffer
		root := newRoot()
		root.SetOut(&out)
		root.SetArgs(append(strings.Fields(cmd.CommandPath())[1:], "--help"))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		all.WriteString("-- " + cmd.CommandPath() + " --\n" + out.String())
	})
	golden(t, "help.txt", all.String())
}

// perCall are the flags of a single call: no variable may set them.
var perCall = []string{
	"help", "version", "status", "tool", "owner", "older-than", "newer-than", "limit", "cursor", "all", "yes", "dry-run", "accept", "decline", "interval",
}

// TestFlagsVariablesAndHelpAgree checks that each flag either has a variable or is one of
// perCall, and that each command has examples.
func TestFlagsVariablesAndHelpAgree(t *testing.T) {
	walk(newRoot(), func(cmd *cobra.Command) {
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example, or no summary", cmd.CommandPath())
		}
		cmd.InheritedFlags()
		check := func(flag *pflag.Flag) {
			variable := "MCPTASKS_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			if flag.Name == "database" {
				variable = "DATABASE_URL"
			}
			if named := strings.Contains(flag.Usage, "[$"+variable+"]"); named == slices.Contains(perCall, flag.Name) {
				t.Errorf("%s --%s: its help names its variable: %t", cmd.CommandPath(), flag.Name, named)
			}
		}
		cmd.Flags().VisitAll(check)
		cmd.PersistentFlags().VisitAll(check)
	})
}

func TestVariables(t *testing.T) {
	d := newDatabase(t)
	t.Setenv("DATABASE_URL", d.url)
	if out := ok(t, "", "tasks", "show", d.parked); !strings.Contains(out, d.parked) {
		t.Errorf("$DATABASE_URL is not heeded: %s", out)
	}
	t.Setenv("MCPTASKS_OUTPUT", "json")
	if out := ok(t, "", "tasks", "list"); !strings.HasPrefix(out, "{") {
		t.Errorf("$MCPTASKS_OUTPUT is not heeded: %s", out)
	}
	if out := ok(t, "", "tasks", "list", "-o", "table"); !strings.HasPrefix(out, "ID") {
		t.Errorf("a flag does not win over its variable: %s", out)
	}
	t.Setenv("MCPTASKS_OUTPUT", "yaml")
	if got := run(t, "", "tasks", "list"); got.code != 2 || !strings.Contains(got.failure.Error(), "$MCPTASKS_OUTPUT") {
		t.Errorf("a variable that cannot be read: %d, %v", got.code, got.failure)
	}
	t.Setenv("MCPTASKS_OUTPUT", "")
	t.Setenv("MCPTASKS_STATUS", "failed")
	t.Setenv("MCPTASKS_YES", "true")
	if got := run(t, "", "tasks", "delete", "--owner", "bob"); got.code != 2 {
		t.Errorf("a variable confirms a delete: %+v", got)
	}
}

func TestUsage(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	for _, test := range []struct {
		url  string
		args string
		code int
		say  string
	}{
		{"", "tasks list", 2, "DATABASE_URL"},
		{"", "frobnicate", 2, "unknown command"},
		{"", "tasks frobnicate", 2, "unknown command"},
		{"", "tasks list --frobnicate", 2, "unknown flag"},
		{"", "tasks show", 2, "accepts 1 arg"},
		{"", "tasks list --older-than soon", 2, "7d"},
		{"mysql://u:hunter2@host/db", "tasks list", 2, `begin with "mysql:"`},
		{"postgres://u:hunter2@127.0.0.1:1/db", "tasks list", 2, "store/postgres"},
		{url, "tasks list", 1, "there is no SQLite file"},
		{url, "doctor", 1, "there is no SQLite file"},
		{url, "migrate up --dry-run", 1, "there is no SQLite file"},
		{url, "tasks list --limit 1001", 2, "--limit"},
		{url, "tasks list --all --limit 3", 2, "all"},
		{url, "serve --log-level loud", 2, "--log-level"},
		{url, "serve --log-format xml", 2, "--log-format"},
		{url, "work --queue nobody", 2, "default, reports"},
		{url, "work --max-workers 0", 2, "--max-workers"},
	} {
		args := strings.Fields(test.args)
		got := run(t, test.url, args...)
		if got.code != test.code || got.failure == nil || !strings.Contains(got.failure.Error(), test.say) {
			t.Errorf("%s: exit code %d, %v; want %d, %q", test.args, got.code, got.failure, test.code, test.say)
		}
		if got.failure != nil && strings.Contains(got.failure.Error()+got.err+got.out, "hunter2") {
			t.Errorf("%s prints the password: %v", test.args, got.failure)
		}
	}
}

// TestWithoutTools runs commands of a binary without tools.
func TestWithoutTools(t *testing.T) {
	d := newDatabase(t)
	for _, verb := range []string{"serve", "work"} {
		got := runWith(t, t.Context(), nil, d.url, nil, verb)
		if got.code != 2 || !strings.Contains(got.failure.Error(), "command.Main(tools, nil)") {
			t.Errorf("%s: %d, %v", verb, got.code, got.failure)
		}
	}
	if got := runWith(t, t.Context(), nil, d.url, nil, "tasks", "retry", d.failed); got.code != 0 {
		t.Errorf("retry: %v", got.failure)
	}
}

// TestVersionFlag runs in the test's binary, in which Go does not record the modules: the
// test of cmd/mcptasks builds one that has them.
func TestVersionFlag(t *testing.T) {
	out := ok(t, "", "--version")
	for _, want := range []string{"reports  v1.2.3\n", "\ncommit   ", "\ngo       " + runtime.Version() + "\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
}
