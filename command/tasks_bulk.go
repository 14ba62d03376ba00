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

// bulk is a command that does one thing to tasks: to those that are named, or to
// all that match.
type bulk struct {
	verb, done string // cancel, cancelled
	ended      bool   // whether it is for tasks that have ended, or for those that have not
	status     bool   // whether a filter must say which status is meant
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
		Long: `Cancel tasks that have not ended, as their clients could: their handlers' contexts end.

Name the tasks, or say by filters which are meant.`,
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
		Long: `Make new tasks from tasks that have ended: with the same owner, tool and arguments, and an id of
their own. The old ones stay as they are.

Name the tasks, or say by filters which are meant, --status among them.`,
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
		Short: "Delete tasks that have ended, with all that was recorded of them",
		Long: `Delete tasks that have ended, with their results, steps, questions and timelines. Clients that
ask for them are told that there is no such task.

Name the tasks, or say by filters which are meant.`,
		Example: p.examples("tasks delete "+exampleID, "", "tasks delete --owner alice --yes", "a person who leaves"),
	})
}

// bulkJSON is what came of one task.
type bulkJSON struct {
	TaskID    string `json:"taskId"`
	NewTaskID string `json:"newTaskId,omitempty"` // of a retry
}

func (p *program) bulk(b *bulk, cmd *cobra.Command) *cobra.Command {
	cmd.Use = b.verb + " [ID]..."
	f, out := filtersOf(cmd), printerOf(cmd)
	yes := cmd.Flags().Bool("yes", false, "do not ask, whatever matches")
	cmd.RunE = run(func(cmd *cobra.Command, ids []string) error {
		if (len(ids) > 0) == f.any() {
			return usagef("name the tasks to %s, or say by filters (--status, --tool, …) which are meant", b.verb)
		}
		if f.any() && b.status && f.status == "" {
			return usagef("say with --status which tasks to %s", b.verb)
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

// matching returns the tasks that match and can be meant. They are all listed before
// the first is changed: a retry would else meet its own task.
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
		progress.say("%d tasks match", len(ids))
	}
	return ids, nil
}

// confirm asks the person at the terminal whether all those are meant.
func (b *bulk) confirm(cmd *cobra.Command, n int, yes bool) error {
	if yes || n == 0 {
		return nil
	}
	if !isTerminal(cmd.InOrStdin()) || !isTerminal(cmd.ErrOrStderr()) {
		return usagef("%d tasks match: say --yes to %s them", n, b.verb)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %d tasks? [y/N] ", b.verb, n)
	line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))) {
		return errors.New("nothing was done")
	}
	return nil
}

// all does it to each. One that was named and cannot be had is an error, after which
// the others still get their turn; one that matched may have ended, or gone, meanwhile.
func (b *bulk) all(ctx context.Context, cmd *cobra.Command, operator *runner.Operator, ids []string, named bool, out *printer) error {
	w := cmd.OutOrStdout()
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	done := 0
	var failed error
	for i, id := range ids {
		progress.say("%d of %d", i, len(ids))
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
