package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

const tasksListLong = `List the tasks of all owners, newest first.

With -o json the output is {"tasks": […], "nextCursor": "…"}. The last page has no nextCursor.`

func (p *program) tasksList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tasks, newest first",
		Long:  tasksListLong,
		Example: p.examples(
			"tasks list --status failed --newer-than 1h", "",
			"tasks list --tool report --owner alice", "",
			"tasks list --all -o json", "all tasks, for a script",
		),
		Args: cobra.NoArgs,
	}
	f, out := filtersOf(cmd), printerOf(cmd)
	limit := cmd.Flags().Int("limit", 50, "tasks on a page, at most 1000")
	cursor := cmd.Flags().String("cursor", "", "the next page, as the page before it names it")
	all := cmd.Flags().Bool("all", false, "all pages")
	cmd.MarkFlagsMutuallyExclusive("all", "cursor")
	cmd.MarkFlagsMutuallyExclusive("all", "limit")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		query, err := f.query()
		if err != nil {
			return err
		}
		if *limit < 1 || *limit > pageSize {
			return usagef("--limit must be 1 to %d", pageSize)
		}
		return p.withOperator(cmd, func(ctx context.Context, operator *runner.Operator) error {
			if *all {
				return listAll(ctx, cmd, operator, query, out)
			}
			page, err := operator.List(ctx, query, *cursor, *limit)
			if err != nil {
				return err
			}
			return printPage(cmd, page, out)
		})
	})
	return cmd
}

func printPage(cmd *cobra.Command, page *mcptasks.Page, out *printer) error {
	w := cmd.OutOrStdout()
	if out.json() {
		list := make([]taskJSON, len(page.Tasks))
		for i, task := range page.Tasks {
			list[i] = newTaskJSON(task)
		}
		return printJSON(w, struct {
			Tasks      []taskJSON `json:"tasks"`
			NextCursor string     `json:"nextCursor,omitempty"`
		}{list, page.Next})
	}
	if err := printTasks(w, page.Tasks, true); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "more: --cursor %s, or --all\n", page.Next)
	}
	return nil
}

// listAll prints each page when it is read, since there may be millions of tasks.
func listAll(ctx context.Context, cmd *cobra.Command, operator *runner.Operator, query store.Query, out *printer) error {
	w := cmd.OutOrStdout()
	progress := progressBeside(cmd)
	defer progress.end()
	listed := 0
	for page, err := range pages(ctx, operator, query) {
		if err == nil && out.json() {
			err = printTasksJSON(w, page.Tasks, listed == 0)
		} else if err == nil {
			err = printTasks(w, page.Tasks, listed == 0)
		}
		if err != nil {
			return err
		}
		listed += len(page.Tasks)
		progress.show("%d tasks", listed)
	}
	if out.json() {
		_, err := fmt.Fprintln(w, "\n]}")
		return err
	}
	return nil
}

// printTasksJSON prints the tasks of one page of many, as parts of one object.
func printTasksJSON(w io.Writer, tasks []*mcptasks.Task, first bool) error {
	if first {
		fmt.Fprint(w, `{"tasks": [`)
	}
	for i, task := range tasks {
		data, err := json.Marshal(newTaskJSON(task))
		if err != nil {
			return err
		}
		comma := ","
		if first && i == 0 {
			comma = ""
		}
		if _, err := fmt.Fprintf(w, "%s\n%s", comma, data); err != nil {
			return err
		}
	}
	return nil
}

// messageWidth is the width of a status message in a table.
const messageWidth = 60

func printTasks(w io.Writer, tasks []*mcptasks.Task, first bool) error {
	t := newTable(w)
	if first {
		t.row("ID", "STATUS", "TOOL", "OWNER", "AGE", "MESSAGE")
	}
	for _, task := range tasks {
		t.row(task.ID, statusText(task), task.Tool, string(task.Owner), short(time.Since(task.CreatedAt)), shorten(task.StatusMessage, messageWidth))
	}
	return t.end()
}
