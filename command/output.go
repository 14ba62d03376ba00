package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// The output formats. JSON uses MCP's keys where MCP has one. Times are RFC 3339 in UTC.
// Durations are integers in the unit that their key ends with.
const (
	formatTable = "table"
	formatJSON  = "json"
)

// printer has the format of the command's -o.
type printer struct{ format string }

// printerOf adds -o to the command.
func printerOf(cmd *cobra.Command) *printer {
	p := &printer{format: formatTable}
	setting(cmd.Flags().VarPF(p, "output", "o", "table or json"))
	return p
}

// String implements pflag.Value.
func (p *printer) String() string { return p.format }

// Type implements pflag.Value.
func (p *printer) Type() string { return "format" }

// Set implements pflag.Value.
func (p *printer) Set(format string) error {
	if format != formatTable && format != formatJSON {
		return fmt.Errorf("the output is %s or %s", formatTable, formatJSON)
	}
	p.format = format
	return nil
}

func (p *printer) json() bool { return p.format == formatJSON }

// printJSON prints the value with indentation.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// printJSONLine prints the value as one line of a stream.
func printJSONLine(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// table prints rows in columns of equal width. The first row may be a header.
type table struct{ tab *tabwriter.Writer }

func newTable(w io.Writer, header ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = oneLine(cell)
		if cell == "" {
			cells[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(t.tab, strings.Join(cells, "\t")) // a failed write is Flush's error
}

func (t *table) end() error { return t.tab.Flush() }

// oneLine returns text of clients and handlers such that it cannot control a terminal:
// characters that do not print appear as in Go source.
func oneLine(s string) string { return printable(s, false) }

// printable is oneLine, but keeps line feeds if lines is set. It replaces tabs by spaces.
func printable(s string, lines bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' && lines, unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\t':
			b.WriteString("    ")
		default:
			quoted := fmt.Sprintf("%+q", r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// shorten cuts text that is too long for a table's line.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

// short returns a duration in one unit or two: 350ms, 12s, 3m20s, 5h, 2d.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + short(-d)
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return trimUnits(d.Round(100 * time.Millisecond).String())
	case d < time.Hour:
		return trimUnits(d.Round(time.Second).String())
	case d < 48*time.Hour:
		return trimUnits(d.Round(time.Minute).String())
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}

func trimUnits(s string) string {
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}

// isTerminal reports whether w is a terminal: progress and live views are for people.
func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
