package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// licenceKinds are those that are allowed, by a text that only they hold.
var licenceKinds = []struct{ kind, text string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"MPL-2.0", "mozilla public license version 2.0"}, // River: unchanged files only
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"BSD", "redistribution and use in source and binary forms, with or without modification"},
}

// licenceOf returns the kind of a licence's text, or an empty string if the licence is
// not allowed.
func licenceOf(text string) string {
	// Licences differ in line breaks and case, and Apache's also in punctuation.
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	text = strings.ReplaceAll(text, "license, version", "license version")
	text = strings.ReplaceAll(text, "license version 2.0, january", "license version 2.0 january")
	for _, l := range licenceKinds {
		if strings.Contains(text, l.text) {
			return l.kind
		}
	}
	return ""
}

// licences checks the modules that our packages need, except in tests.
func licences(ctx context.Context) (string, error) {
	listed, err := output(ctx, ".", "go", "list", "-deps", "-json=Module", "./...")
	if err != nil {
		return "", err
	}
	seen := make(map[string]bool)
	count := make(map[string]int)
	var failed []error
	for decoder := json.NewDecoder(strings.NewReader(listed)); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		kind, err := licenceIn(p.Module.Dir)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.Module.Path, err))
		}
		count[kind]++
	}
	var kinds []string
	for _, l := range licenceKinds {
		kinds = append(kinds, fmt.Sprintf("%d %s", count[l.kind], l.kind))
	}
	return fmt.Sprintf("%d modules: %s", len(seen), strings.Join(kinds, ", ")), errors.Join(failed...)
}

// licenceIn returns the kind of the licence in a module's directory.
func licenceIn(dir string) (string, error) {
	var names []string
	for _, pattern := range []string{"LICEN[CS]E*", "licen[cs]e*", "COPYING*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		names = append(names, found...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if kind := licenceOf(string(text)); kind != "" {
			return kind, nil
		}
	}
	if names == nil {
		return "", errors.New("no licence was found")
	}
	return "", fmt.Errorf("no licence of an allowed kind is in %s", strings.Join(names, ", "))
}
