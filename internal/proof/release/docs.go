package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// docComments checks the packages that other modules can import.
func docComments(ctx context.Context) (string, error) {
	listed, err := output(ctx, ".", "go", "list", "-f", "{{if .GoFiles}}{{.ImportPath}} {{.Name}} {{.Dir}}{{end}}", "./...")
	if err != nil {
		return "", err
	}
	n := 0
	var missing []error
	for line := range strings.Lines(listed) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		path, name, dir := words[0], words[1], words[2]
		if strings.Contains(path+"/", "/internal/") || name == "main" {
			continue
		}
		n++
		names, err := undocumented(path, dir)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			missing = append(missing, fmt.Errorf("%s: %s has no doc comment", path, name))
		}
	}
	return fmt.Sprintf("each exported name of %d packages has one", n), errors.Join(missing...)
}

// undocumented returns the exported names of a package that have no doc comment. A
// comment on a group of constants or variables is enough for all of them, and a method
// that an interface of the standard library has needs none.
func undocumented(path, dir string) ([]string, error) {
	fset := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, name, source, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(fset, files, path)
	if err != nil {
		return nil, err
	}
	var missing []string
	note := func(name, comment string) {
		if strings.TrimSpace(comment) == "" {
			missing = append(missing, name)
		}
	}
	values := func(groups []*doc.Value) {
		for _, v := range groups {
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				note(s.Names[0].Name, v.Doc+s.Doc.Text()+s.Comment.Text())
			}
		}
	}
	funcs := func(prefix string, all []*doc.Func) {
		for _, f := range all {
			if !obvious[f.Name] || prefix == "" {
				note(prefix+f.Name, f.Doc)
			}
		}
	}
	note("the package", p.Doc)
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, t := range p.Types {
		note(t.Name, t.Doc)
		values(t.Consts)
		values(t.Vars)
		funcs("", t.Funcs)
		funcs(t.Name+".", t.Methods)
	}
	return missing, nil
}

// obvious are methods whose interface says what they do.
var obvious = map[string]bool{
	"Error": true, "Unwrap": true, "Is": true, "String": true, "LogValue": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true,
}
