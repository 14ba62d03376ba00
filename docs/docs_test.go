package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A block is a fenced piece of code in one of the documents.
type block struct {
	file, language, text string
	line                 int
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the code of the language in README.md and docs/.
func blocks(t *testing.T, language string) []block {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	for _, file := range append(files, filepath.Join("..", "README.md")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range fence.FindAllSubmatchIndex(data, -1) {
			b := block{
				file:     file,
				language: string(data[at[2]:at[3]]),
				text:     string(data[at[4]:at[5]]),
				line:     1 + strings.Count(string(data[:at[0]]), "\n"),
			}
			if b.language == language {
				found = append(found, b)
			}
		}
	}
	return found
}

// Code in the documents is an excerpt of code that is compiled, and most of it run, with
// the module.
func TestGoIsCompiled(t *testing.T) {
	var sources []string
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
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
	for _, b := range blocks(t, "go") {
		if !slices.ContainsFunc(sources, func(source string) bool { return strings.Contains(source, unindented(b.text)) }) {
			t.Errorf("%s:%d: this is in no Go file of the module", b.file, b.line)
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

var links = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestLinks(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join("..", "README.md"), filepath.Join("..", "CHANGELOG.md")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllSubmatch(fence.ReplaceAll(data, nil), -1) {
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
