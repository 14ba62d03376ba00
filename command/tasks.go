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
		Short: "List, show, watch, cancel, answer, retry and delete tasks, whoever owns them",
		Example: p.examples(
			"tasks list --status input_required", "who waits for an answer",
			"tasks watch", "a live view",
		),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.tasksList(), p.tasksShow(), p.tasksWatch(), p.tasksAnswer(), p.tasksCancel(), p.tasksRetry(), p.tasksDelete())
	return cmd
}

// filters say which tasks are meant.
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
	flags.StringVar(&f.tool, "tool", "", "only this tool's")
	flags.StringVar(&f.owner, "owner", "", `only this owner's; "" means those without one`)
	flags.Var(&f.olderThan, "older-than", "only tasks created longer ago: 90s, 12h, 7d")
	flags.Var(&f.newerThan, "newer-than", "only tasks created since: 90s, 12h, 7d")
	return f
}

func statuses() string {
	var names []string
	for _, status := range mcptasks.Statuses() {
		names = append(names, string(status))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// any says whether a filter is given.
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
		return query, usagef("--status %q is none of %s", f.status, statuses())
	}
	return query, nil
}

// age is a duration that may be in days, as a flag.
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
		return errors.New("an age looks like 90s, 12h or 7d")
	}
	*a = age(d)
	return nil
}

// pageSize is how many tasks are read at once where all are wanted: the most that a
// page may have.
const pageSize = 1000

// pages yields page after page of the tasks that match, newest first.
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

// taskJSON is a task as every list tells of it.
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

// statusText is the status, and whether what a completed tool answers is an error.
func statusText(task *mcptasks.Task) string {
	if isError(task) {
		return fmt.Sprintf("%s (error)", task.Status)
	}
	return string(task.Status)
}
