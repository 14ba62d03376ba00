package main

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuild checks that the worker is one small file that needs no libraries, and contains
// neither mcpserver nor SQLite.
func TestBuild(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "worker")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	const most = 30_000_000
	if info.Size() >= most {
		t.Errorf("the worker has %d bytes, more than %d", info.Size(), most)
	}

	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP || program.Type == elf.PT_DYNAMIC {
			t.Errorf("the worker is not static: it has a %s", program.Type)
		}
	}
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for _, symbol := range symbols {
		for _, name := range []string{"github.com/mcptasks/mcptasks/mcpserver.", "github.com/mcptasks/mcptasks/runner.", "github.com/mcptasks/mcptasks/store/sqlite.", "modernc.org/"} {
			linked[name] = linked[name] || strings.HasPrefix(symbol.Name, name)
		}
	}
	for name, is := range linked {
		if want := name == "github.com/mcptasks/mcptasks/runner."; is != want {
			t.Errorf("%s is linked: %t, want %t", name, is, want)
		}
	}

	built, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range built.Deps {
		if strings.Contains(module.Path, "sqlite") || strings.HasPrefix(module.Path, "modernc.org/") {
			t.Errorf("the worker is built with %s", module.Path)
		}
	}
}
