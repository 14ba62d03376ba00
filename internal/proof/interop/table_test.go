package main

import (
	"fmt"
	"strings"
	"testing"
)

// output returns what a client writes that takes every step of its column and fails those
// named.
func output(column string, failing ...string) []byte {
	var out strings.Builder
	for _, step := range steps {
		if !step.takenBy(column) {
			continue
		}
		failure := ""
		for _, name := range failing {
			if name == step.name {
				failure = `,"error":"it did not\nwork"`
			}
		}
		fmt.Fprintf(&out, "{\"step\":%q%s}\n", step.name, failure)
	}
	return []byte(out.String())
}

func filled(t *testing.T, failing ...string) *table {
	t.Helper()
	all := &table{}
	for _, c := range clients {
		if err := all.read("sqlite", c.column, output(c.column, failing...)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestTable(t *testing.T) {
	var out strings.Builder
	all := filled(t)
	for _, c := range clients {
		all.leaveOut("two nodes", c.column)
	}
	if !all.print(&out) {
		t.Errorf("a table without a failure fails:\n%s", out.String())
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1+2*len(steps) {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

func TestTableFails(t *testing.T) {
	var out strings.Builder
	if filled(t, "cancel").print(&out) {
		t.Error("a failed step does not fail the table")
	}
	if want := "\nsqlite, modern, cancel: it did not\n    work\n"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out.String())
	}
}

func TestTableMissesSteps(t *testing.T) {
	all := filled(t)
	first, _, _ := strings.Cut(string(output("modern")), "\n")
	if err := all.read("sqlite", "modern", []byte(first)); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if all.print(&out) {
		t.Error("steps that were not taken do not fail the table")
	}
	if !strings.Contains(out.String(), notTaken) {
		t.Errorf("%q is not in\n%s", notTaken, out.String())
	}
}

func TestTableRefuses(t *testing.T) {
	for _, output := range []string{`{"step":"juggle"}`, `{"error":"no name"}`, "no JSON"} {
		if err := new(table).read("sqlite", "modern", []byte(output)); err == nil {
			t.Errorf("%s was read", output)
		}
	}
}
