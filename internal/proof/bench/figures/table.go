package figures

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

func (r Row) cells() []string {
	verdict := "not judged"
	if r.OK != nil {
		verdict = map[bool]string{true: "ok", false: "missed"}[*r.OK]
	}
	unit := r.Unit
	if unit == Ratio {
		unit = ""
	}
	cells := []string{
		r.Name,
		strings.TrimSpace(Format(r.Value) + " " + unit),
		Format(r.Spread[0]) + "–" + Format(r.Spread[1]),
		strings.TrimSpace(r.Goal.String() + " " + unit),
	}
	switch {
	case r.CPU != nil:
		cells = append(cells, Format(r.CPU.Ours), Format(r.CPU.Baseline), Format(r.CPU.Ratio))
	case r.Unit == Ratio:
		cells = append(cells, "n/a", "n/a", "n/a")
	default:
		cells = append(cells, "", "", "")
	}
	return append(cells, verdict)
}

var header = []string{"name", "value", "spread", "goal", "CPU µs/op", "baseline CPU µs/op", "CPU ratio", ""}

// Table writes the rows in aligned columns.
func Table(w io.Writer, rows []Row) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row.cells(), "\t"))
	}
	return table.Flush()
}

// Markdown writes the rows as a Markdown table.
func Markdown(w io.Writer, rows []Row) error {
	_, err := fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat(" --- |", len(header)))
	for _, row := range rows {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %s |\n", strings.Join(row.cells(), " | "))
		}
	}
	return err
}

// WriteJSON writes the rows to the file at path.
func WriteJSON(path string, rows []Row) error {
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644) //nolint:gosec // not a secret
}

// Missed returns the names of the rows that were judged and are not ok.
func Missed(rows []Row) []string {
	var names []string
	for _, row := range rows {
		if row.OK != nil && !*row.OK {
			names = append(names, row.Name)
		}
	}
	return names
}
