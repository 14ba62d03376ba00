package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBinary runs commands of the operator's binary. It knows both databases, but cannot
// serve or work.
func TestBinary(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "mcptasks")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary, "--version").Output()
	// Builds without version control do not know the commit.
	if want := regexp.MustCompile(`^mcptasks  +\S+\ncommit +(unknown|[0-9a-f]{40} of \S+(, modified)?)\nriver +v0\.\d+\.\d+\ngo +go1\.\d+\S*\n$`); err != nil || !want.Match(out) {
		t.Errorf("--version: %v\n%s", err, out)
	}
	for _, test := range []struct {
		args string
		code int
		say  string
	}{
		{"migrate up --database sqlite:tasks.db", 0, "applied mcptasks tasks (1)"},
		{"migrate up --database sqlite:tasks.db", 0, "nothing to do"},
		{"doctor --database sqlite:tasks.db", 0, "ok       schema"},
		{"doctor --database postgres://alice:hunter2@127.0.0.1:1/tasks", 5, "FAULT    database"},
		{"tasks show none --database sqlite:tasks.db", 3, "mcptasks: show: task not found\n"},
		{"serve --database sqlite:tasks.db", 2, "command.Main(tools, nil)"},
		{"work --database sqlite:tasks.db", 2, "See 'mcptasks work --help'."},
		{"migrate down --yes --database sqlite:tasks.db", 0, "removed"},
		{"doctor --database sqlite:tasks.db", 5, "→ run 'mcptasks migrate up'"},
	} {
		cmd := exec.CommandContext(t.Context(), binary, strings.Fields(test.args)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != test.code || !strings.Contains(string(out), test.say) || strings.Contains(string(out), "hunter2") {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", test.args, code, test.code, test.say, out)
		}
	}
}
