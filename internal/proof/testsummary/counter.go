package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// databases are the databases' names in the order of the summary.
var databases = []string{"postgres", "sqlite"}

// event is one line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// counter counts the results of packages when they end, and prints them as go test does.
type counter struct {
	out                     io.Writer
	running                 map[string]*pkg
	ended                   int // packages, with tests or without
	passed, failed, skipped int
	on                      map[string]int // tests that passed or failed, by database
	brokenPackages          []string       // that failed to build, or failed without a failed test
}

// pkg is a package whose tests run.
type pkg struct {
	lines   []line
	results map[string]string // "pass", "fail", "skip" by test
}

type line struct{ test, text string }

func newCounter(out io.Writer) *counter {
	return &counter{out: out, running: map[string]*pkg{}, on: map[string]int{}}
}

// read reads r to its end. It prints lines that are not events as they are. A package that
// did not end has failed.
func (c *counter) read(r io.Reader) error {
	in := bufio.NewReader(r)
	for {
		raw, err := in.ReadBytes('\n')
		if len(raw) > 0 {
			c.line(raw)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.running)) {
		c.end(name, "fail")
	}
	return nil
}

func (c *counter) line(raw []byte) {
	var e event
	if !bytes.HasPrefix(raw, []byte("{")) || json.Unmarshal(raw, &e) != nil {
		_, _ = c.out.Write(raw)
		return
	}
	switch {
	case e.Action == "build-output":
		_, _ = io.WriteString(c.out, e.Output)
	case e.Package == "":
		// The end of a build. Its packages have events of their own.
	case e.Action == "output":
		p := c.pkg(e.Package)
		p.lines = append(p.lines, line{e.Test, e.Output})
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		if e.Test == "" {
			c.end(e.Package, e.Action)
		} else {
			c.pkg(e.Package).results[e.Test] = e.Action
		}
	default:
		if e.Test != "" {
			if p := c.pkg(e.Package); p.results[e.Test] == "" {
				p.results[e.Test] = "" // begun
			}
		} else {
			c.pkg(e.Package)
		}
	}
}

func (c *counter) pkg(name string) *pkg {
	p := c.running[name]
	if p == nil {
		p = &pkg{results: map[string]string{}}
		c.running[name] = p
	}
	return p
}

// end counts and prints a package.
func (c *counter) end(name, result string) {
	p := c.pkg(name)
	delete(c.running, name)
	c.ended++
	failedBefore := c.failed
	for test, result := range p.results {
		if result == "" {
			result = "fail" // a panic, an exit or a timeout cut it short
		}
		c.count(test, result, p.results)
	}
	if result == "fail" && c.failed == failedBefore {
		c.brokenPackages = append(c.brokenPackages, name)
	}
	for _, l := range p.lines {
		if p.shows(l, result == "fail") {
			_, _ = io.WriteString(c.out, l.text)
		}
	}
}

// count counts a test. One with subtests counts only if it failed and none of them did.
func (c *counter) count(test, result string, all map[string]string) {
	subtests, failedSubtests := false, false
	for other, r := range all {
		if strings.HasPrefix(other, test+"/") {
			subtests = true
			failedSubtests = failedSubtests || r == "fail" || r == ""
		}
	}
	if subtests && (result != "fail" || failedSubtests) {
		return
	}
	switch result {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
	case "skip":
		c.skipped++
		return
	}
	for element := range strings.SplitSeq(test, "/") {
		element, _, _ = strings.Cut(element, "#") // a name used twice: postgres#01
		if slices.Contains(databases, element) {
			c.on[element]++
		}
	}
}

// shows reports whether go test without -json would print l.
func (p *pkg) shows(l line, failed bool) bool {
	if l.test != "" {
		result := p.results[l.test]
		return failed && result != "pass" && result != "skip" && !strings.HasPrefix(l.text, "=== ")
	}
	return failed || strings.HasPrefix(l.text, "ok  \t") || strings.HasPrefix(l.text, "?   \t")
}

// summary returns the closing line.
func (c *counter) summary() string {
	s := fmt.Sprintf("tests: %d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
	for i, database := range databases {
		sep := ", "
		if i == 0 {
			sep = "; "
		}
		s += fmt.Sprintf("%son %s %d", sep, database, c.on[database])
	}
	return s
}

// complaints returns why the run failed.
func (c *counter) complaints(required []string) []string {
	var all []string
	if c.ended == 0 {
		all = append(all, "no package was tested")
	}
	if c.failed > 0 {
		all = append(all, fmt.Sprintf("%d tests failed", c.failed))
	}
	for _, name := range c.brokenPackages {
		all = append(all, name+" failed")
	}
	for _, database := range required {
		if c.on[database] == 0 {
			all = append(all, "no test ran on "+database)
		}
	}
	return all
}
