package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A check is the part of an entry of checks.json that is used.
type check struct {
	ID           string `json:"id"`
	Status       string `json:"status"` // SUCCESS, FAILURE, SKIPPED, WARNING, INFO
	Description  string `json:"description"`
	ErrorMessage string `json:"errorMessage"`
}

func readChecks(r io.Reader) ([]check, error) {
	var checks []check
	if err := json.NewDecoder(r).Decode(&checks); err != nil {
		return nil, fmt.Errorf("checks.json: %w", err)
	}
	return checks, nil
}

// A result is the result of one scenario.
type result struct {
	scenario
	passed, failed, skipped int
	problems                []string // to be printed
}

// judge returns a scenario's result. It is good only if no check failed or was skipped and
// at least the expected number passed. A check that warns or informs counts as neither.
// err is the reason why there are no checks.
func judge(sc scenario, checks []check, err error) result {
	res := result{scenario: sc}
	if err != nil {
		res.problems = append(res.problems, err.Error())
	}
	for _, c := range checks {
		switch c.Status {
		case "SUCCESS":
			res.passed++
			continue
		case "SKIPPED":
			res.skipped++
		case "WARNING", "INFO":
		default: // FAILURE, or an unknown status
			res.failed++
		}
		res.problems = append(res.problems, fmt.Sprintf("%s %s: %s\n%s", c.Status, c.ID, c.Description, c.ErrorMessage))
	}
	if res.passed < sc.checks {
		res.problems = append(res.problems, fmt.Sprintf("%d checks passed, expected %d", res.passed, sc.checks))
	}
	return res
}

func (r result) fulfilled() bool {
	return r.failed == 0 && r.skipped == 0 && r.passed >= r.checks
}

// A row is one round in one setting.
type row struct {
	setting, round string
	results        []result
}

// report prints the table and the problems. It reports whether there are none.
func report(w io.Writer, rows []row) bool {
	ok := true
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tROUND\tSCENARIOS\tPASSED\tFAILED\tSKIPPED\tEXPECTED\tVERDICT")
	for _, r := range rows {
		var sum result
		fulfilled := 0
		for _, res := range r.results {
			sum.passed += res.passed
			sum.failed += res.failed
			sum.skipped += res.skipped
			sum.checks += res.checks
			if res.fulfilled() {
				fulfilled++
			}
		}
		verdict := "ok"
		if fulfilled < len(r.results) {
			ok, verdict = false, "FAIL"
		}
		fmt.Fprintf(table, "%s\t%s\t%d of %d\t%d\t%d\t%d\t%d\t%s\n", r.setting, r.round,
			fulfilled, len(r.results), sum.passed, sum.failed, sum.skipped, sum.checks, verdict)
	}
	table.Flush()
	for _, r := range rows {
		for _, res := range r.results {
			if res.fulfilled() {
				continue // the suite also informs
			}
			for _, problem := range res.problems {
				fmt.Fprintf(w, "\n%s: %s: %s\n", r.setting, res.name, strings.ReplaceAll(strings.TrimSpace(problem), "\n", "\n    "))
			}
		}
	}
	return ok
}
