// Package docs_test holds the documents to the code: what they show is compiled, and
// what they name is there.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/docs/blocks"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

const root = ".."

// Go in the documents is an excerpt of code that is compiled, and most of it run, with
// the module.
func TestGoIsCompiled(t *testing.T) {
	var sources []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		data, err := os.ReadFile(path)
		sources = append(sources, unindented(string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks.All(t, root) {
		if b.Language == "go" && !slices.ContainsFunc(sources, func(source string) bool { return strings.Contains(source, unindented(b.Text)) }) {
			t.Errorf("%s:%d: this is in no Go file of the module", b.File, b.Line)
		}
	}
}

// unindented leaves out the indentation: an excerpt may have its own.
func unindented(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

// Code in a language that no test looks at would rot.
func TestLanguages(t *testing.T) {
	tested := []string{
		"go",        // above
		"sh", "sql", // in onpostgres
		"", // no code: a picture, or make's targets, which CI runs
	}
	for _, b := range blocks.All(t, root) {
		if !slices.Contains(tested, b.Language) {
			t.Errorf("%s:%d: no test looks at %s", b.File, b.Line, b.Language)
		}
	}
}

var links = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestLinks(t *testing.T) {
	for _, file := range blocks.Documents(t, root) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllSubmatch(blocks.Prose(data), -1) {
			target := string(link[1])
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), target)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// The operating guide has a line for each metric, as the catalog describes it.
func TestMetrics(t *testing.T) {
	data, err := os.ReadFile("operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "| `mcptasks.") {
			listed = append(listed, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, m := range telemetry.Catalog() {
		want = append(want, fmt.Sprintf("| `%s` | %s | %s, %s. %s |", m.Name, strings.Join(m.Labels, ", "), m.Kind, m.Unit, m.Meaning))
	}
	if !slices.Equal(listed, want) {
		t.Errorf("the table of metrics must be:\n%s", strings.Join(want, "\n"))
	}
}

var metricName = regexp.MustCompile("mcptasks_[a-z_]+[a-z]")

// What is watched is there, by the name that Prometheus gives it.
func TestWatched(t *testing.T) {
	data, err := os.ReadFile("operating.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, m := range telemetry.Catalog() {
		name := strings.ReplaceAll(m.Name, ".", "_")
		if m.Unit == "s" {
			name += "_seconds"
		}
		if m.Kind == telemetry.KindCounter {
			name += "_total"
		}
		known[name] = true
	}
	for _, name := range metricName.FindAllString(string(data), -1) {
		if !known[name] {
			t.Errorf("there is no metric %s", name)
		}
	}
}
