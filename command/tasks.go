package command

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

func (p *program) tasks() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tasks",
		Short: "List, show, watch, cancel, answer, retry and delete the tasks of all owners",
		Example: p.examples(
			"tasks list --status input_required", "tasks that wait for an answer",
			"tasks watch", "a live view",
		),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.tasksList(), p.tasksShow(), p.tasksWatch(), p.tasksAnswer(), p.tasksCancel(), p.tasksRetry(), p.tasksDelete())
	return cmd
}

// filters select tasks.
type filters struct {
	status, tool, owner  string
	olderThan, newerThan age
	flags                interface{ Changed(name string) bool }
}

var filterNames = []string{"status", "tool", "owner", "older-than", "newer-than"}

func filtersOf(cmd *cobra.Command) *filters {
	flags := cmd.Flags()
	f := &filters{flags: flags}
	flags.StringVar(&f.status, "status", "", "only tasks that are "+statuses())
	flags.StringVar(&f.tool, "tool", "", "only tasks of this tool")
	flags.StringVar(&f.owner, "owner", "", `only tasks of this owner; "" selects tasks without an owner`)
	flags.Var(&f.olderThan, "older-than", "only tasks created longer ago, such as 90s, 12h or 7d")
	flags.Var(&f.newerThan, "newer-than", "only tasks created within this time, such as 90s, 12h or 7d")
	return f
}

func statuses() string {
	var names []string
	for _, status := range mcptasks.Statuses() {
		names = append(names, string(status))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// any reports whether a filter is set.
func (f *filters) any() bool { return slices.ContainsFunc(filterNames, f.flags.Changed) }

func (f *filters) query() (store.Query, error) {
	query := store.Query{
		Status: mcptasks.Status(f.status),
		Tool:   f.tool,
		MinAge: time.Duration(f.olderThan),
		MaxAge: time.Duration(f.newerThan),
	}
	if f.flags.Changed("owner") {
		owner := mcptasks.Owner(f.owner)
		query.Owner = &owner
	}
	if f.status != "" && !slices.Contains(mcptasks.Statuses(), query.Status) {
		return query, usagef("--status must be %s, not %q", statuses(), f.status)
	}
	return query, nil
}

// age is a flag's duration, which may be in days.
type age time.Duration

// String implements pflag.Value.
func (a *age) String() string {
	if *a == 0 {
		return ""
	}
	return time.Duration(*a).String()
}

// Type implements pflag.Value.
func (a *age) Type() string { return "age" }

// Set implements pflag.Value.
func (a *age) Set(s string) error {
	d, err := time.ParseDuration(s)
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return errors.New("an age has the form 90s, 12h or 7d")
	}
	*a = age(d)
	return nil
}

// pageSize is the page size for commands that read all tasks. It is the largest that a
// page may have.
const pageSize = 1000

// pages yields the pages of the tasks that match, newest first.
func pages(ctx context.Context, operator *runner.Operator, query store.Query) iter.Seq2[*mcptasks.Page, error] {
	return func(yield func(*mcptasks.Page, error) bool) {
		for cursor := ""; ; {
			page, err := operator.List(ctx, query, cursor, pageSize)
			if !yield(page, err) || err != nil || page.Next == "" {
				return
			}
			cursor = page.Next
		}
	}
}

// taskJSON is a task in JSON output.
type taskJSON struct {
	TaskID         string          `json:"taskId"`
	Owner          mcptasks.Owner  `json:"owner"`
	Tool           string          `json:"tool"`
	Status         mcptasks.Status `json:"status"`
	IsError        bool            `json:"isError,omitempty"`
	StatusMessage  string          `json:"statusMessage,omitempty"`
	CreatedAt      time.Time       `json:"createdAt"`
	LastUpdatedAt  time.Time       `json:"lastUpdatedAt"`
	FinishedAt     time.Time       `json:"finishedAt,omitzero"`
	ExpiresAt      time.Time       `json:"expiresAt,omitzero"`
	TTLMs          int64           `json:"ttlMs"`
	PollIntervalMs int64           `json:"pollIntervalMs"`
}

func newTaskJSON(task *mcptasks.Task) taskJSON {
	return taskJSON{
		TaskID:         task.ID,
		Owner:          task.Owner,
		Tool:           task.Tool,
		Status:         task.Status,
		IsError:        isError(task),
		StatusMessage:  task.StatusMessage,
		CreatedAt:      task.CreatedAt.UTC(),
		LastUpdatedAt:  task.UpdatedAt.UTC(),
		FinishedAt:     task.FinishedAt.UTC(),
		ExpiresAt:      task.ExpiresAt.UTC(),
		TTLMs:          task.TTL.Milliseconds(),
		PollIntervalMs: task.PollInterval.Milliseconds(),
	}
}

func isError(task *mcptasks.Task) bool { return task.Outcome != nil && task.Outcome.IsError }

// statusText returns the status, and says if a completed task's result is an error.
func statusText(task *mcptasks.Task) string {
	if isError(task) {
		return fmt.Sprintf("%s (error)", task.Status)
	}
	return string(task.Status)
}
