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

// Documents returns the Markdown files of the module at root.
func Documents(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
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
