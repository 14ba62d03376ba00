package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

const tasksWatchLong = `Watch a task until it ends. Without an id, watch the newest tasks that have not ended until you
interrupt the command.

On a terminal the view is redrawn at each change. Elsewhere, and with -o json, each change is a
line.`

func (p *program) tasksWatch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [ID]",
		Short: "Watch a task until it ends, or all tasks that have not ended",
		Long:  tasksWatchLong,
		Example: p.examples(
			"tasks watch", "",
			"tasks watch --tool report -o json", "a line of JSON at each change",
			"tasks watch "+exampleID, "returns when the task ends",
		),
		Args: cobra.MaximumNArgs(1),
	}
	f, out := filtersOf(cmd), printerOf(cmd)
	every := cmd.Flags().Duration("interval", time.Second, "how often to read the tasks")
	limit := cmd.Flags().Int("limit", 50, "how many tasks to watch, at most 1000")
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && f.any() {
			return usagef("give the id of a task or filters, not both")
		}
		query, err := f.query()
		if err != nil {
			return err
		}
		if *limit < 1 || *limit > pageSize || *every < 10*time.Millisecond {
			return usagef("--limit must be 1 to %d, and --interval at least 10ms", pageSize)
		}
		return p.withOperator(cmd, func(ctx context.Context, operator *runner.Operator) error {
			v := newView(cmd.OutOrStdout(), out)
			if len(args) == 1 {
				return watchOne(ctx, operator, args[0], v)
			}
			w := &watch{operator: operator, query: query, limit: *limit, seen: make(map[string]*mcptasks.Task)}
			err := w.run(ctx, *every, v)
			if errors.Is(err, context.Canceled) {
				return nil // an interrupt is how a person stops it
			}
			return err
		})
	})
	return cmd
}

// view shows watched tasks.
type view struct {
	w    io.Writer
	out  *printer
	live bool // on a terminal, redrawn in place
}

func newView(w io.Writer, out *printer) *view {
	return &view{w: w, out: out, live: isTerminal(w) && !out.json()}
}

const clearScreen = "\x1b[H\x1b[2J"

func (v *view) draw(text string) error {
	_, err := io.WriteString(v.w, clearScreen+text)
	return err
}

// change prints the state of a task that changed, as a line.
func (v *view) change(task *mcptasks.Task) error {
	if v.out.json() {
		return printJSONLine(v.w, newTaskJSON(task))
	}
	line := fmt.Sprintf("%s  %s  %s", clock(task.UpdatedAt), task.ID, statusText(task))
	if task.StatusMessage != "" {
		line += "  " + task.StatusMessage
	}
	_, err := fmt.Fprintln(v.w, oneLine(line))
	return err
}

func watchOne(ctx context.Context, operator *runner.Operator, id string, v *view) error {
	for task, err := range operator.Watch(ctx, id) {
		if err != nil {
			return err
		}
		if !v.live {
			err = v.change(task)
		} else if shown, showErr := operator.Show(ctx, id); showErr != nil {
			err = showErr
		} else {
			err = v.draw(render(shown))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
