package testdb

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// folders are where distributions put PostgreSQL's programs: Debian, Red Hat, Homebrew on Apple and Intel.
var folders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// findBinaries returns the directory of PostgreSQL's programs: PATH's, else the newest of the distributions' folders.
func findBinaries() (string, error) {
	return findBinariesIn(exec.LookPath, filepath.Glob)
}

func findBinariesIn(lookPath func(string) (string, error), glob func(string) ([]string, error)) (string, error) {
	var dirs []string
	if initdb, err := lookPath("initdb"); err == nil {
		// The programs find their libraries from where they really are.
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			dirs = append(dirs, filepath.Dir(initdb))
		}
	}
	for _, pattern := range folders {
		found, _ := glob(pattern) // the only error is a malformed pattern
		slices.SortFunc(found, newestFirst)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errors.New("initdb: not on PATH, nor where distributions put it")
}

var versionPattern = regexp.MustCompile(`\d+`)

func newestFirst(a, b string) int {
	version := func(dir string) int {
		numbers := versionPattern.FindAllString(dir, -1)
		if numbers == nil {
			return 0
		}
		n, _ := strconv.Atoi(numbers[len(numbers)-1]) // digits
		return n
	}
	return cmp.Compare(version(b), version(a))
}

// complete reports whether dir holds a server, not only clients.
func complete(dir string) bool {
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}
