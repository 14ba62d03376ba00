//go:build unix

// Command compare compares the CPU time of this checkout with that of another one, for
// example of the commit before:
//
//	git worktree add ../before HEAD~1
//	go run ./internal/proof/compare -against ../before
//
// It compiles the same load program (load/main.go) in both checkouts with an overlay, so
// that neither checkout is changed and each side has its own go.mod. The program does a
// fixed number of operations through the public API. The sides take turns, in the order
// A B B A, each in a new process on a new database of one throwaway Postgres, or on a new
// SQLite file. The CPU time is that of the load program and of the Postgres while it
// works; set-up and HTTP clients are not counted. Autovacuum is off: it would fall into
// one side's turn by chance.
//
// The exit status is 1 if something failed, and with -judge if a ratio is above -bound.
// It needs Linux, and PostgreSQL's programs unless -run matches SQLite alone.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/mcptasks/mcptasks/internal/proof/bench/figures"
)

//go:embed load/main.go
var loadSource []byte

type options struct {
	against string
	run     string
	rounds  int
	quick   bool
	judge   bool
	bound   float64
}

func main() {
	var o options
	flag.StringVar(&o.against, "against", "", "the directory of the other checkout")
	flag.StringVar(&o.run, "run", "", "compare only figures whose names match this regular expression")
	flag.IntVar(&o.rounds, "rounds", 6, "how often each figure is measured on each side")
	flag.BoolVar(&o.quick, "quick", false, "only see that it works: one round with few operations")
	flag.BoolVar(&o.judge, "judge", false, "exit with status 1 if a ratio is above the bound")
	flag.Float64Var(&o.bound, "bound", 1.05, "the highest ratio of CPU times that is not called slower")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := compare(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// compare builds both sides, measures the figures and prints the table.
func compare(ctx context.Context, o *options) error {
	wanted, err := regexp.Compile(o.run)
	if err != nil {
		return err
	}
	if o.against == "" || flag.NArg() > 0 || o.rounds < 1 {
		return errors.New("name the other checkout with -against; there are no other arguments, and at least one round")
	}
	if o.quick {
		o.rounds = 1
	}
	dir, err := os.MkdirTemp("", "mcptasks-compare-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{dir: dir}
	defer b.close()
	for i, checkout := range []string{".", o.against} {
		if b.programs[i], err = build(ctx, dir, checkout); err != nil {
			return err
		}
	}
	var rows []row
	for _, f := range all {
		if !wanted.MatchString(f.name) {
			continue
		}
		r, err := b.compare(ctx, f, o)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		rows = append(rows, *r)
	}
	if len(rows) == 0 {
		return errors.New("nothing was measured")
	}
	return o.report(rows)
}

// build compiles the load program in a checkout.
func build(ctx context.Context, dir, checkout string) (string, error) {
	checkout, err := filepath.Abs(checkout)
	if err != nil {
		return "", err
	}
	// The same text on both sides, whatever the checkouts have.
	source := filepath.Join(dir, "load.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(checkout, "internal/proof/compare/load/main.go"): source,
	}})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := errors.Join(os.WriteFile(source, loadSource, 0o600), os.WriteFile(overlayFile, overlay, 0o600)); err != nil {
		return "", err
	}
	program, err := os.CreateTemp(dir, "load-")
	if err != nil {
		return "", err
	}
	if err := program.Close(); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlayFile, "-o", program.Name(), "./internal/proof/compare/load")
	cmd.Dir = checkout
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the load program does not build in %s: %w\n%s", checkout, err, out)
	}
	return program.Name(), nil
}

// A row is a figure as it was measured, in microseconds of CPU time an operation.
type row struct {
	name   string
	cpu    [2][]float64 // of this checkout and the other one, by round
	ratios []float64
}

func (r *row) ratio() float64 { return figures.Median(r.ratios) }

func (o *options) report(rows []row) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "name\tCPU µs/op\tbefore\tratio\tspread\t")
	var slower []string
	for _, r := range rows {
		verdict := "ok"
		if r.ratio() > o.bound {
			verdict = "slower"
			slower = append(slower, r.name)
		}
		if o.quick {
			verdict = "not judged"
		}
		low, high := figures.Quantile(r.ratios, 0), figures.Quantile(r.ratios, 1)
		fmt.Fprintf(table, "%s\t%s\t%s\t%.3f\t%.3f–%.3f\t%s\n", r.name,
			figures.Format(figures.Median(r.cpu[0])), figures.Format(figures.Median(r.cpu[1])), r.ratio(), low, high, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if o.judge && !o.quick && len(slower) > 0 {
		return fmt.Errorf("slower by more than a factor of %.2f: %s", o.bound, strings.Join(slower, ", "))
	}
	return nil
}
