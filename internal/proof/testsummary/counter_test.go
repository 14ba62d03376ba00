package main

import (
	"slices"
	"strings"
	"testing"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in, out, summary string
		require                []string
		complaints             []string
	}{
		{
			name: "leaves count, on their database",
			in: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestStore"}
{"Action":"output","Package":"p","Test":"TestStore","Output":"=== RUN   TestStore\n"}
{"Action":"run","Package":"p","Test":"TestStore/postgres"}
{"Action":"run","Package":"p","Test":"TestStore/postgres/claim"}
{"Action":"pass","Package":"p","Test":"TestStore/postgres/claim"}
{"Action":"run","Package":"p","Test":"TestStore/postgres/park"}
{"Action":"skip","Package":"p","Test":"TestStore/postgres/park"}
{"Action":"pass","Package":"p","Test":"TestStore/postgres"}
{"Action":"run","Package":"p","Test":"TestStore/sqlite#01"}
{"Action":"pass","Package":"p","Test":"TestStore/sqlite#01"}
{"Action":"pass","Package":"p","Test":"TestStore"}
{"Action":"run","Package":"p","Test":"Test_postgres_in_a_name"}
{"Action":"pass","Package":"p","Test":"Test_postgres_in_a_name"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.5s\n"}
{"Action":"pass","Package":"p"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}
`,
			out:     "ok  \tp\t0.5s\n?   \tq\t[no test files]\n",
			summary: "tests: 3 passed, 0 failed, 1 skipped; on postgres 1, on sqlite 1",
			require: []string{"postgres", "sqlite"},
		},
		{
			name: "a failing package shows its failing tests",
			in: `{"Action":"output","Package":"p","Output":"-test.shuffle 7\n"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: no\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- PASS: TestB (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			out:        "-test.shuffle 7\n    a_test.go:1: no\n--- FAIL: TestA (0.00s)\nFAIL\tp\t0.1s\n",
			summary:    "tests: 1 passed, 1 failed, 0 skipped; on postgres 0, on sqlite 0",
			require:    []string{"sqlite"},
			complaints: []string{"1 tests failed", "no test ran on sqlite"},
		},
		{
			name: "a test cut short, and a run cut short, have failed",
			in: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/sqlite"}
{"Action":"output","Package":"p","Test":"TestA/sqlite","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}
{"Action":"start","Package":"q"}
`,
			out:        "panic: boom\n",
			summary:    "tests: 0 passed, 1 failed, 0 skipped; on postgres 0, on sqlite 1",
			complaints: []string{"1 tests failed", "q failed"},
		},
		{
			name: "a package that does not build",
			in: `go: a plain line
{"ImportPath":"p [p.test]","Action":"build-output","Output":"# p\np.go:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`,
			out:        "go: a plain line\n# p\np.go:1: undefined: x\nFAIL\tp [build failed]\n",
			summary:    "tests: 0 passed, 0 failed, 0 skipped; on postgres 0, on sqlite 0",
			complaints: []string{"p failed"},
		},
		{
			name:       "nothing",
			summary:    "tests: 0 passed, 0 failed, 0 skipped; on postgres 0, on sqlite 0",
			complaints: []string{"no package was tested"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			c := newCounter(&out)
			if err := c.read(strings.NewReader(tc.in)); err != nil {
				t.Fatal(err)
			}
			if out.String() != tc.out {
				t.Errorf("printed\n%s\nwant\n%s", out.String(), tc.out)
			}
			if got := c.summary(); got != tc.summary {
				t.Errorf("summary %q, want %q", got, tc.summary)
			}
			if got := c.complaints(tc.require); !slices.Equal(got, tc.complaints) {
				t.Errorf("complaints %q, want %q", got, tc.complaints)
			}
		})
	}
}
