// Command testsummary reads the output of go test -json, prints it as go test does without
// -json, and ends with the number of tests that ran, in total and on each database:
//
//	go test -json ./... | go run ./internal/proof/testsummary -require postgres,sqlite
//
// A test runs on a database if the database's name is an element of the test's name, as in
// TestStore/postgres/claim. Of a test with subtests only these are counted. The exit status
// is 1 if anything failed, nothing ran, or no test ran on a required database.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	require := flag.String("require", "", "comma-separated databases on which tests must have run")
	flag.Parse()

	c := newCounter(os.Stdout)
	if err := c.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
	fmt.Println(c.summary())
	var required []string
	if *require != "" {
		required = strings.Split(*require, ",")
	}
	if complaints := c.complaints(required); len(complaints) > 0 {
		for _, complaint := range complaints {
			fmt.Fprintln(os.Stderr, "testsummary:", complaint)
		}
		os.Exit(1)
	}
}
