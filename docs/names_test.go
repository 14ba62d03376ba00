package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/docs/blocks"
)

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
	goName   = regexp.MustCompile(`^([\w./-]+\.go):([\w.]+)$`)
	filePath = regexp.MustCompile(`^[a-z.][\w.-]*(/[\w.-]+)+/?$|^[\w-]+\.(go|md|sql|yml|yaml)$`)
)

// What the documents name in backquotes exists: files and folders, functions as
// path/file.go:Function or path/file.go:Type.Method, and tests. The changelog also names
// what there was.
func TestNamesExist(t *testing.T) {
	tests := testFunctions(t)
	for _, file := range blocks.Documents(t, root) {
		if filepath.Base(file) == "CHANGELOG.md" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range quoted.FindAllStringSubmatch(string(blocks.Prose(data)), -1) {
			name := match[1]
			function := goName.FindStringSubmatch(name)
			switch {
			case testName.MatchString(name) && !tests[name]:
				t.Errorf("%s: there is no test %s", file, name)
			case function != nil && !slices.Contains(functionsOf(t, filepath.Join(root, function[1])), function[2]):
				t.Errorf("%s: there is no %s", file, name)
			case function == nil && isOurs(t, name) && !exists(filepath.Join(root, name)):
				t.Errorf("%s: there is no file or folder %s", file, name)
			}
		}
	}
}

// isOurs reports whether the name is a path in the module: one that begins with a folder
// of its root, or a file's name. A method of MCP looks like a path, too.
func isOurs(t *testing.T, name string) bool {
	t.Helper()
	if !filePath.MatchString(name) {
		return false
	}
	first, _, nested := strings.Cut(name, "/")
	if !nested {
		return true
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.IsDir() && e.Name() == first })
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// functionsOf returns the functions, methods and types that the file declares.
func functionsOf(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return nil
	}
	var names []string
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			names = append(names, receiver(decl)+decl.Name.Name)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					names = append(names, spec.Name.Name)
				}
			}
		}
	}
	return names
}

// receiver returns the method's type and a dot, "" for a function.
func receiver(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return ""
	}
	of := decl.Recv.List[0].Type
	for {
		switch inner := of.(type) {
		case *ast.StarExpr:
			of = inner.X
		case *ast.IndexExpr:
			of = inner.X
		case *ast.IndexListExpr:
			of = inner.X
		case *ast.Ident:
			return inner.Name + "."
		default:
			return ""
		}
	}
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)

// testFunctions returns the names of the module's tests.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, match := range testFunction.FindAllSubmatch(data, -1) {
			names[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
