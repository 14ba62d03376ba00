package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A step must be made by the clients of these columns. Without columns all make it.
type step struct {
	name    string
	columns []string
}

func (s step) takenBy(column string) bool {
	return s.columns == nil || slices.Contains(s.columns, column)
}

var steps = []step{
	{name: "plain tool"},
	{name: "handle to result"},
	{name: "twenty at once", columns: []string{"modern", "2025-11-25"}},
	{name: "question to answer"},
	{name: "question declined"},
	{name: "two questions at once"},
	{name: "question before the task"},
	{name: "ten questioned tasks at once", columns: []string{"modern", "2025-11-25"}},
	{name: "tool error"},
	{name: "protocol error"},
	{name: "cancel"},
	{name: "cancel a question"},
	{name: "an onlooker", columns: []string{"2025-11-25", "2025-11-25, SDK"}},
	{name: "hand-over and resume"},
	{name: "resume when it has ended"},
	{name: "hand over a question"},
	{name: "unknown id"},
	{name: "no list for strangers"},
}

// A table has the outcome of each step, by setting, column and step.
type table struct {
	settings []string
	outcomes map[cell]string
}

type cell struct{ setting, column, step string }

// Outcomes of a step that did not fail.
const (
	passed   = "ok"
	leftOut  = "-" // not for this client, or not in this setting
	notTaken = "the client did not make the step"
)

// read adds a client's output. A step that is missing in it has failed.
func (t *table) read(setting, column string, output []byte) error {
	outcomes, err := decodeOutcomes(output)
	if err != nil {
		return err
	}
	for _, step := range steps {
		result := notTaken
		if !step.takenBy(column) {
			result = leftOut
		}
		t.note(cell{setting, column, step.name}, result)
	}
	for _, o := range outcomes {
		at := cell{setting, column, o.Step}
		if _, known := t.outcomes[at]; !known {
			return fmt.Errorf("a client took the step %q, which is not in the table", o.Step)
		}
		if o.Error == "" {
			o.Error = passed
		}
		t.outcomes[at] = o.Error
	}
	return nil
}

// leaveOut adds that the client does not run in the setting.
func (t *table) leaveOut(setting, column string) {
	for _, step := range steps {
		t.note(cell{setting, column, step.name}, leftOut)
	}
}

func (t *table) note(at cell, outcome string) {
	if t.outcomes == nil {
		t.outcomes = make(map[cell]string)
	}
	if !slices.Contains(t.settings, at.setting) {
		t.settings = append(t.settings, at.setting)
	}
	t.outcomes[at] = outcome
}

// print prints the table and the errors. It reports whether there are none.
func (t *table) print(w io.Writer) bool {
	var failures []string
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(out, "SETTING\tSTEP")
	for _, c := range clients {
		fmt.Fprint(out, "\t", strings.ToUpper(c.column))
	}
	fmt.Fprintln(out)
	for _, setting := range t.settings {
		for _, step := range steps {
			fmt.Fprintf(out, "%s\t%s", setting, step.name)
			for _, c := range clients {
				result := t.outcomes[cell{setting, c.column, step.name}]
				if result != passed && result != leftOut {
					failures = append(failures, fmt.Sprintf("%s, %s, %s: %s", setting, c.column, step.name, strings.ReplaceAll(result, "\n", "\n    ")))
					result = "FAIL"
				}
				fmt.Fprint(out, "\t", result)
			}
			fmt.Fprintln(out)
		}
	}
	out.Flush()
	for _, failure := range failures {
		fmt.Fprintf(w, "\n%s\n", failure)
	}
	return len(failures) == 0
}
