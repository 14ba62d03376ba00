package figures

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var (
	high = Figure{Name: "drain", Unit: Ratio, Goal: AtLeast(0.5)}
	low  = Figure{Name: "e2e_p99", Unit: "ms", Goal: AtMost(20)}
)

func TestRow(t *testing.T) {
	for name, tc := range map[string]struct {
		figure Figure
		rounds []float64
		value  float64
		ok     bool
	}{
		"the median is what is judged":  {high, []float64{0.1, 0.6, 0.5, 0.9, 0.4}, 0.5, true},
		"below a lower bound":           {high, []float64{0.9, 0.49, 0.1}, 0.49, false},
		"an even number has two middle": {high, []float64{0.2, 0.4, 0.6, 0.9}, 0.5, true},
		"at an upper bound":             {low, []float64{20}, 20, true},
		"above an upper bound":          {low, []float64{1, 20.1, 30}, 20.1, false},
	} {
		row := tc.figure.Row(tc.rounds, true)
		if row.Value != tc.value || *row.OK != tc.ok {
			t.Errorf("%s: value %v, ok %t, want %v, %t", name, row.Value, *row.OK, tc.value, tc.ok)
		}
		if want := [2]float64{slices.Min(tc.rounds), slices.Max(tc.rounds)}; row.Spread != want {
			t.Errorf("%s: spread %v, want %v", name, row.Spread, want)
		}
	}
}

func TestMissed(t *testing.T) {
	rows := []Row{high.Row([]float64{0.4}, true), low.Row([]float64{10}, true), high.Row([]float64{0.4}, false)}
	if got := Missed(rows); !slices.Equal(got, []string{"drain"}) {
		t.Errorf("missed: %v, want the first alone: the second is met, the third was not judged", got)
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for q, want := range map[float64]int{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := Quantile(hundred, q); got != want {
			t.Errorf("of 1 to 100 the quantile %v is %d, want %d", q, got, want)
		}
	}
	if got := Quantile([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.99); got != 10 {
		t.Errorf("the 99th percentile of ten values is %d, want the highest", got)
	}
	if got := Quantile([]int{7}, 0.99); got != 7 {
		t.Errorf("of one value it is %d", got)
	}
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures.json")
	ratio := high.Row([]float64{1}, false)
	ratio.CPU = NewCPU([]float64{30}, []float64{20})
	if err := WriteJSON(path, []Row{low.Row([]float64{4, 5, 6}, true), ratio}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Compact(&got, data); err != nil {
		t.Fatal(err)
	}
	const want = `[{"name":"e2e_p99","value":5,"unit":"ms","spread":[4,6],"goal":"≤ 20","ok":true,"cpu":null},` +
		`{"name":"drain","value":1,"unit":"ratio","spread":[1,1],"goal":"≥ 0.5","ok":null,"cpu":{"ours_us":30,"baseline_us":20,"ratio":1.5}}]`
	if got.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", &got, want)
	}
}

func TestTables(t *testing.T) {
	rows := []Row{low.Row([]float64{4.25, 5.127, 60}, true), high.Row([]float64{0.4}, true), high.Row([]float64{123}, false)}
	rows[1].CPU = NewCPU([]float64{300, 100, 200}, []float64{200, 10, 1000})
	var text, markdown bytes.Buffer
	if err := Table(&text, rows); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&markdown, rows); err != nil {
		t.Fatal(err)
	}
	const wantText = `name     value    spread     goal     CPU µs/op  baseline CPU µs/op  CPU ratio  
e2e_p99  5.13 ms  4.25–60.0  ≤ 20 ms                                            ok
drain    0.40     0.40–0.40  ≥ 0.5    200        200                 1.50       missed
drain    123      123–123    ≥ 0.5    n/a        n/a                 n/a        not judged
`
	if text.String() != wantText {
		t.Errorf("the table is\n%s\nwant\n%s", &text, wantText)
	}
	const wantMarkdown = `| name | value | spread | goal | CPU µs/op | baseline CPU µs/op | CPU ratio |  |
| --- | --- | --- | --- | --- | --- | --- | --- |
| e2e_p99 | 5.13 ms | 4.25–60.0 | ≤ 20 ms |  |  |  | ok |
| drain | 0.40 | 0.40–0.40 | ≥ 0.5 | 200 | 200 | 1.50 | missed |
| drain | 123 | 123–123 | ≥ 0.5 | n/a | n/a | n/a | not judged |
`
	if markdown.String() != wantMarkdown {
		t.Errorf("the Markdown is\n%s\nwant\n%s", &markdown, wantMarkdown)
	}
}
