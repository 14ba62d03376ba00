// Package blocks reads the code in the documents, for the tests that compile and run it.
package blocks

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A Block is a fenced piece of code in one of the documents.
type Block struct {
	File, Language, Text string
	Line                 int
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// Documents returns the Markdown files of the module at root that are for its users.
func Documents(t *testing.T, root string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	return append(files, filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md"))
}

// All returns the code of the documents.
func All(t *testing.T, root string) []Block {
	t.Helper()
	var found []Block
	for _, file := range Documents(t, root) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range fence.FindAllSubmatchIndex(data, -1) {
			found = append(found, Block{
				File:     filepath.Base(file),
				Language: string(data[at[2]:at[3]]),
				Text:     string(data[at[4]:at[5]]),
				Line:     1 + strings.Count(string(data[:at[0]]), "\n"),
			})
		}
	}
	return found
}

// Prose returns the document without its code.
func Prose(data []byte) []byte { return fence.ReplaceAll(data, nil) }
