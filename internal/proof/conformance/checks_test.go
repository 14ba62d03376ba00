package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	// Each file is held against a scenario of two checks.
	for _, test := range []struct {
		file                    string
		passed, failed, skipped int
		fulfilled               bool
		says                    string // in a problem
	}{
		{file: "passed.json", passed: 2, fulfilled: true},
		{file: "extra.json", passed: 3, fulfilled: true},
		{file: "failed.json", passed: 2, failed: 1, says: "status MUST be \"completed\""},
		{file: "skipped.json", passed: 2, skipped: 1, says: "harness needs a rewrite"},
		{file: "few.json", passed: 1, says: "1 checks passed, expected 2"},
		{file: "info.json", passed: 1, says: "carried no `data` field"},
		{file: "unknown.json", passed: 2, failed: 1, says: "PENDING"},
		{file: "empty.json", says: "0 checks passed, expected 2"},
		{file: "malformed.json", says: "checks.json: "},
	} {
		t.Run(test.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", test.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checks, err := readChecks(f)
			got := judge(scenario{name: "tasks-example", checks: 2}, checks, err)

			if got.passed != test.passed || got.failed != test.failed || got.skipped != test.skipped {
				t.Errorf("passed, failed, skipped = %d, %d, %d, want %d, %d, %d",
					got.passed, got.failed, got.skipped, test.passed, test.failed, test.skipped)
			}
			if got.fulfilled() != test.fulfilled {
				t.Errorf("fulfilled = %t, want %t", got.fulfilled(), test.fulfilled)
			}
			if problems := strings.Join(got.problems, "\n"); !strings.Contains(problems, test.says) {
				t.Errorf("problems = %q, want %q in them", problems, test.says)
			} else if test.fulfilled && problems != "" {
				t.Errorf("problems = %q, want none", problems)
			}
		})
	}
}

func TestReport(t *testing.T) {
	good := result{scenario: scenario{name: "tasks-good", checks: 9}, passed: 9}
	bad := result{scenario: scenario{name: "tasks-much-worse", checks: 3}, passed: 2, failed: 1, problems: []string{"FAILURE a\nb"}}

	var out strings.Builder
	if report(&out, []result{good, bad}) {
		t.Error("report says that all is well")
	}
	const want = `SCENARIO          PASSED  FAILED  SKIPPED  EXPECTED  VERDICT
tasks-good        9       0       0        9         ok
tasks-much-worse  2       1       0        3         FAIL

tasks-much-worse: FAILURE a
    b
`
	if out.String() != want {
		t.Errorf("report:\n%s\nwant:\n%s", out.String(), want)
	}
	if !report(&out, []result{good}) {
		t.Error("report says that a fulfilled scenario is not")
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Error("nothing runs by default")
	}
	for _, sc := range all {
		if sc.later {
			t.Errorf("%s runs by default", sc.name)
		}
	}

	two, err := choose("tasks-mrtr-input,tasks-lifecycle")
	if err != nil {
		t.Fatal(err)
	}
	if len(two) != 2 || two[0].name != "tasks-mrtr-input" || two[1].name != "tasks-lifecycle" {
		t.Errorf("chose %v", two)
	}

	if _, err := choose("tasks-status-notifications"); err == nil {
		t.Error("a scenario without an expected number of checks was chosen")
	}

	sum := 0
	for _, sc := range scenarios {
		sum += sc.checks
	}
	if sum != 44 {
		t.Errorf("the table holds %d checks, the suite makes 44", sum)
	}
}
