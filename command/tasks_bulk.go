package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// bulk is a command that does one thing to several tasks: to those it is given, or to all
// that match the filters.
type bulk struct {
	verb, done string // cancel, cancelled
	ended      bool   // it is for tasks that have ended; otherwise for the others
	status     bool   // --status is required with filters
	do         func(context.Context, *runner.Operator, string) (*mcptasks.Task, error)
}

func (p *program) tasksCancel() *cobra.Command {
	return p.bulk(&bulk{
		verb: "cancel", done: "cancelled",
		do: func(ctx context.Context, operator *runner.Operator, id string) (*mcptasks.Task, error) {
			return nil, operator.Cancel(ctx, id)
		},
	}, &cobra.Command{
		Short: "Cancel tasks that have not ended",
		Long: `Cancel tasks that have not ended, as their clients can: their handlers' contexts end.

Give the ids of the tasks, or select them by filters.`,
		Example: p.examples("tasks cancel "+exampleID, "", "tasks cancel --tool report --older-than 2d --yes", ""),
	})
}

func (p *program) tasksRetry() *cobra.Command {
	return p.bulk(&bulk{
		verb: "retry", done: "retried", ended: true, status: true,
		do: func(ctx context.Context, operator *runner.Operator, id string) (*mcptasks.Task, error) {
			return operator.Retry(ctx, id)
		},
	}, &cobra.Command{
		Short: "Make new tasks from tasks that have ended",
		Long: `Make new tasks from tasks that have ended, with the same owner, tool and arguments, and new ids.
The old tasks stay as they are.

Give the ids of the tasks, or select them by filters. --status must be one of the filters.`,
		Example: p.examples("tasks retry "+exampleID, "", "tasks retry --status failed --newer-than 1h --yes", ""),
	})
}

func (p *program) tasksDelete() *cobra.Command {
	return p.bulk(&bulk{
		verb: "delete", done: "deleted", ended: true,
		do: func(ctx context.Context, operator *runner.Operator, id string) (*mcptasks.Task, error) {
			return nil, operator.Delete(ctx, id)
		},
	}, &cobra.Command{
		Short: "Delete tasks that have ended, with everything recorded about them",
		Long: `Delete tasks that have ended, with their results, steps, questions and timelines. A client that
asks for one then gets the error that there is no such task.

Give the ids of the tasks, or select them by filters.`,
		Example: p.examples("tasks delete "+exampleID, "", "tasks delete --owner alice --yes", "all tasks of one person"),
	})
}

// bulkJSON is the outcome for one task.
type bulkJSON struct {
	TaskID    string `json:"taskId"`
	NewTaskID string `json:"newTaskId,omitempty"` // of a retry
}

func (p *program) bulk(b *bulk, cmd *cobra.Command) *cobra.Command {
	cmd.Use = b.verb + " [ID]..."
	f, out := filtersOf(cmd), printerOf(cmd)
	yes := cmd.Flags().Bool("yes", false, "do not ask for confirmation")
	cmd.RunE = run(func(cmd *cobra.Command, ids []string) error {
		if (len(ids) > 0) == f.any() {
			return usagef("give the ids of the tasks to %s, or select them by filters (--status, --tool, …)", b.verb)
		}
		if f.any() && b.status && f.status == "" {
			return usagef("select with --status which tasks to %s", b.verb)
		}
		return p.withOperator(cmd, func(ctx context.Context, operator *runner.Operator) error {
			named := len(ids) > 0
			if !named {
				var err error
				if ids, err = b.matching(ctx, cmd, operator, f); err != nil {
					return err
				}
				if err := b.confirm(cmd, len(ids), *yes); err != nil {
					return err
				}
			}
			return b.all(ctx, cmd, operator, ids, named, out)
		})
	})
	return cmd
}

// matching returns the ids of the tasks that match and whose state allows the command. It
// lists all of them before the first is changed: otherwise a retry would find its own new
// tasks.
func (b *bulk) matching(ctx context.Context, cmd *cobra.Command, operator *runner.Operator, f *filters) ([]string, error) {
	query, err := f.query()
	if err != nil {
		return nil, err
	}
	if query.Status != "" && query.Status.Terminal() != b.ended {
		return nil, usagef("a task that is %s cannot be %s", query.Status, b.done)
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	var ids []string
	for page, err := range pages(ctx, operator, query) {
		if err != nil {
			return nil, err
		}
		for _, task := range page.Tasks {
			if task.Status.Terminal() == b.ended {
				ids = append(ids, task.ID)
			}
		}
		progress.show("%d tasks match", len(ids))
	}
	return ids, nil
}

// confirm asks the person at the terminal for confirmation.
func (b *bulk) confirm(cmd *cobra.Command, n int, yes bool) error {
	if yes || n == 0 {
		return nil
	}
	if !isTerminal(cmd.InOrStdin()) || !isTerminal(cmd.ErrOrStderr()) {
		return usagef("%d tasks match: add --yes to %s them", n, b.verb)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %d tasks? [y/N] ", b.verb, n)
	line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))) {
		return errors.New("nothing was done")
	}
	return nil
}

// all runs the command on each task. If the ids were given, all reports the tasks that
// failed and goes on with the others. Tasks selected by filters may have ended or expired
// meanwhile: all skips those.
func (b *bulk) all(ctx context.Context, cmd *cobra.Command, operator *runner.Operator, ids []string, named bool, out *printer) error {
	w := cmd.OutOrStdout()
	progress := progressBeside(cmd)
	defer progress.end()
	done := 0
	var failed error
	for i, id := range ids {
		progress.show("%d of %d", i, len(ids))
		again, err := b.do(ctx, operator, id)
		if err != nil {
			if named && ctx.Err() == nil {
				failed = errors.Join(failed, err)
				continue
			}
			if isGone(err) {
				continue
			}
			return fmt.Errorf("%d of %d tasks were %s: %w", done, len(ids), b.done, err)
		}
		done++
		result := bulkJSON{TaskID: id}
		if again != nil {
			result.NewTaskID = again.ID
		}
		if err := b.print(w, result, out); err != nil {
			return err
		}
	}
	if !named && !out.json() {
		progress.end()
		fmt.Fprintf(w, "%s %d tasks\n", b.done, done)
	}
	return failed
}

func isGone(err error) bool {
	return errors.Is(err, mcptasks.ErrNotFound) || errors.Is(err, mcptasks.ErrTerminal) || errors.Is(err, mcptasks.ErrConflict)
}

func (b *bulk) print(w io.Writer, result bulkJSON, out *printer) error {
	if out.json() {
		return printJSONLine(w, result)
	}
	text := b.done + " " + result.TaskID
	if result.NewTaskID != "" {
		text += " as " + result.NewTaskID
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
