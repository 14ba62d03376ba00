package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/internal/proof/testserver"
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
	good := result{scenario: scenario{name: "tasks-good", checks: 9}, passed: 9, problems: []string{"INFO only"}}
	bad := result{scenario: scenario{name: "tasks-much-worse", checks: 3}, passed: 2, failed: 1, problems: []string{"FAILURE a\nb"}}

	var out strings.Builder
	if report(&out, []row{{"sqlite", "tasks-good", []result{good}}, {"two nodes", "2026-07-28", []result{good, bad}}}) {
		t.Error("report says that all is well")
	}
	const want = `SETTING    ROUND       SCENARIOS  PASSED  FAILED  SKIPPED  EXPECTED  VERDICT
sqlite     tasks-good  1 of 1     9       0       0        9         ok
two nodes  2026-07-28  1 of 2     11      1       0        12        FAIL

two nodes: tasks-much-worse: FAILURE a
    b
`
	if out.String() != want {
		t.Errorf("report:\n%s\nwant:\n%s", out.String(), want)
	}
	if !report(&out, []row{{"sqlite", "tasks-good", []result{good}}}) {
		t.Error("report says that a fulfilled scenario is not")
	}
}

func TestChoose(t *testing.T) {
	for setting, want := range map[string]int{testserver.SQLite: 11, testserver.Postgres: 11, testserver.TwoNodes: 9} {
		if all, err := choose("", setting); err != nil || len(all) != want {
			t.Errorf("on %s: %d rounds, want %d (%v)", setting, len(all), want, err)
		}
	}

	two, err := choose("2025-11-25,tasks-lifecycle", testserver.TwoNodes)
	if err != nil {
		t.Fatal(err)
	}
	if len(two) != 2 || two[0].name != "2025-11-25" || two[1].name != "tasks-lifecycle" {
		t.Errorf("chose %v", two)
	}

	if _, err := choose("tasks-status-notifications", ""); err == nil {
		t.Error("a scenario without an expected number of checks was chosen")
	}
}

func TestScenarios(t *testing.T) {
	checks := 0
	for _, sc := range tasksScenarios {
		checks += sc.checks
	}
	if checks != 44 {
		t.Errorf("the table holds %d checks of tasks, the suite makes 44", checks)
	}
	if modern, legacy := len(modernScenarios), len(legacyScenarios); modern != 40 || legacy != 33 {
		t.Errorf("the tables hold %d and %d scenarios, the revisions demand 40 and 33", modern, legacy)
	}
}

func TestReadScenario(t *testing.T) {
	out := t.TempDir()
	for _, dir := range []string{"server-caching-2026-08-01T10-00-00-000Z", "server-caching-2026-extra-2026-08-01T10-00-00-000Z"} {
		if err := os.Mkdir(filepath.Join(out, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, dir, "checks.json"), []byte("[]"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := readScenario(out, "caching"); err != nil {
		t.Error(err)
	}
	if _, err := readScenario(out, "ping"); err == nil {
		t.Error("a scenario that did not run was read")
	}
}
