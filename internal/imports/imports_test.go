// Package imports holds the module to what its packages may depend on, however
// many imports lie between: the linter sees only those that a file names.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mcptasks/mcptasks"

// Packages by what a program takes in with them. A name stands for the packages
// below it, too.
var (
	sqlite = []string{
		module + "/store/sqlite", "modernc.org", "github.com/riverqueue/river/riverdriver/riversqlite",
		"github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3", "zombiezen.com/go/sqlite",
	}
	postgres       = []string{module + "/store/postgres", "github.com/jackc", "github.com/lib/pq", "github.com/riverqueue/river/riverdriver/riverpgxv5"}
	database       = slices.Concat(sqlite, postgres, []string{"database/sql", "github.com/pressly/goose", "github.com/riverqueue"})
	otelSDK        = []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters"} // the program collects telemetry, not we
	testcontainers = []string{"github.com/testcontainers", "github.com/docker", "github.com/moby"}
)

// never says what of the world outside a package must not depend on. What it may import of
// the module is in rooms_test.go.
var never = map[string][]string{
	"":                              slices.Concat(database, otelSDK),
	"/command":                      slices.Concat(sqlite, postgres),
	"/internal/batch":               slices.Concat(database, otelSDK),
	"/internal/backoff":             slices.Concat(database, otelSDK),
	"/internal/config":              slices.Concat(database, otelSDK),
	"/internal/names":               slices.Concat(database, otelSDK),
	"/internal/notify":              slices.Concat(database, otelSDK),
	"/internal/riverdb":             slices.Concat(sqlite, postgres, otelSDK),
	"/internal/telemetry":           slices.Concat(database, otelSDK),
	"/internal/mcpwire":             slices.Concat(database, otelSDK),
	"/internal/question":            slices.Concat(database, otelSDK),
	"/internal/toolcall":            slices.Concat(database, otelSDK),
	"/mcpclient":                    slices.Concat(database, otelSDK),
	"/mcpserver":                    slices.Concat(database, otelSDK),
	"/tasktest":                     slices.Concat(database, otelSDK),
	"/migrations":                   slices.Concat(sqlite, postgres, otelSDK),
	"/runner":                       slices.Concat(sqlite, postgres, otelSDK),
	"/store":                        slices.Concat(sqlite, postgres, otelSDK),
	"/internal/taskstore":           slices.Concat(sqlite, postgres, otelSDK),
	"/internal/taskstore/driver":    slices.Concat(sqlite, postgres, otelSDK),
	"/internal/taskstore/storetest": slices.Concat(sqlite, postgres, otelSDK),
	"/internal/workers":             slices.Concat(sqlite, postgres, otelSDK),
	"/store/postgres":               slices.Concat(sqlite, otelSDK),
	"/store/sqlite":                 slices.Concat(postgres, otelSDK),
}

// A listed package is one of the module's, without its tests.
type listed struct {
	ImportPath, Name                                  string
	GoFiles, Imports, TestImports, XTestImports, Deps []string
}

func TestImports(t *testing.T) {
	packages := list(t)
	for name, forbidden := range never {
		if !slices.ContainsFunc(packages, func(p listed) bool { return p.ImportPath == module+name }) {
			t.Errorf("there is no package %q", module+name)
		}
		for _, p := range packages {
			if p.ImportPath != module+name {
				continue
			}
			for _, dep := range p.Deps {
				if dep != p.ImportPath && below(dep, forbidden) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// Testcontainers come with internal/testdb, which is for tests.
func TestTestcontainersStayInTests(t *testing.T) {
	const testdb = module + "/internal/testdb"
	for _, p := range list(t) {
		if p.ImportPath == testdb {
			continue
		}
		for _, dep := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if below(dep, testcontainers) {
				t.Errorf("%s imports %s itself: ask internal/testdb", p.ImportPath, dep)
			}
		}
		if strings.HasPrefix(p.ImportPath, module+"/internal/proof/") {
			continue // programs that make runs: they ask testdb for a throwaway server
		}
		for _, dep := range p.Deps {
			if dep == testdb || below(dep, testcontainers) {
				t.Errorf("%s depends on %s outside its tests", p.ImportPath, dep)
			}
		}
	}
}

func below(path string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return path == name || strings.HasPrefix(path, name+"/")
	})
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,GoFiles,Imports,TestImports,XTestImports,Deps", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
