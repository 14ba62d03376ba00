package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLicences(t *testing.T) {
	for text, want := range map[string]string{
		"MIT License\n\nPermission is hereby granted, free of charge, to any person\nobtaining a copy of":       "MIT",
		"                                 Apache License\n                           Version 2.0, January 2004": "Apache-2.0",
		"Mozilla Public License Version 2.0\n=====":                                                             "MPL-2.0",
		"Redistribution and use in source and binary forms, with or without\nmodification, are permitted":       "BSD",
		"GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007":                                        "",
		"": "",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("%q is of kind %q, want %q", text, got, want)
		}
	}
	if kind, err := licenceIn(t.TempDir()); err == nil {
		t.Errorf("a module without a licence has one of kind %q", kind)
	}
}

func TestUndocumented(t *testing.T) {
	dir := t.TempDir()
	const source = `package p

type Bare struct{}

func (Bare) Error() string { return "" }
func (Bare) Do() {}

// Said is.
type Said struct{}

// New returns one.
func New() Said { return Said{} }

func Free() {}
func hidden() {}

// Group is documented as a whole.
const (
	One = 1
	Two = 2
)

var Alone = 1
`
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := undocumented("p", dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"the package", "Alone", "Free", "Bare", "Bare.Do"}
	if !slices.Equal(got, want) {
		t.Errorf("no comment: %q, want %q", got, want)
	}
}
