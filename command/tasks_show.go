package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

const tasksShowLong = `Show everything recorded about a task: its arguments, state or outcome, questions, and its
timeline with the full text of all errors. It is for operators: clients do not see the timeline.

The times of steps are by the clock of the node that ran them.`

func (p *program) tasksShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a task with its timeline",
		Long:    tasksShowLong,
		Example: p.examples("tasks show "+exampleID, "", "tasks show "+exampleID+" -o json", ""),
		Args:    cobra.ExactArgs(1),
	}
	out := printerOf(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		return p.withOperator(cmd, func(ctx context.Context, operator *runner.Operator) error {
			shown, err := operator.Show(ctx, args[0])
			switch {
			case err != nil:
				return err
			case out.json():
				return printJSON(cmd.OutOrStdout(), newShownJSON(shown))
			default:
				_, err := io.WriteString(cmd.OutOrStdout(), render(shown))
				return err
			}
		})
	})
	return cmd
}

// exampleID is a task's id in examples.
const exampleID = "1inv3pfclg02kt4gd5hq1nqqe5jotmnenn23"

// shownJSON is a task in the output of tasks show -o json.
type shownJSON struct {
	taskJSON
	Arguments   json.RawMessage `json:"arguments,omitempty"`
	Result      json.RawMessage `json:"result,omitempty"`
	Error       any             `json:"error,omitempty"`
	Queue       string          `json:"queue"`
	Attempts    int             `json:"attempts"`
	MaxAttempts int             `json:"maxAttempts"`
	Recoveries  int             `json:"recoveries"`
	Runs        int             `json:"runs"`
	LastRunAt   time.Time       `json:"lastRunAt,omitzero"`
	LastRunNode string          `json:"lastRunNode,omitempty"`
	DeadlineAt  time.Time       `json:"deadlineAt,omitzero"`
	JobID       int64           `json:"jobId,omitempty"`
	JobState    string          `json:"jobState,omitempty"`
	RetryOf     string          `json:"retryOf,omitempty"`
	Questions   []questionJSON  `json:"questions"`
	Steps       []stepJSON      `json:"steps"`
	Timeline    []entryJSON     `json:"timeline"`
}

type questionJSON struct {
	Key        string          `json:"key"`
	Method     string          `json:"method,omitempty"`
	Params     json.RawMessage `json:"params,omitempty"`
	Response   json.RawMessage `json:"response,omitempty"`
	AskedAt    time.Time       `json:"askedAt"`
	DeadlineAt time.Time       `json:"deadlineAt,omitzero"`
	AnsweredAt time.Time       `json:"answeredAt,omitzero"`
	Expired    bool            `json:"expired,omitempty"`
}

type stepJSON struct {
	Key        string    `json:"key"`
	Run        int       `json:"run"`
	Node       string    `json:"node"`
	BeganAt    time.Time `json:"beganAt,omitzero"`
	EndedAt    time.Time `json:"endedAt,omitzero"`
	DurationMs int64     `json:"durationMs"`
	Bytes      int       `json:"bytes"`
}

func newShownJSON(shown *store.Shown) *shownJSON {
	out := &shownJSON{
		taskJSON:    newTaskJSON(shown.Task),
		Arguments:   shown.Arguments,
		Queue:       shown.Queue,
		Attempts:    shown.Attempts,
		MaxAttempts: shown.MaxAttempts,
		Recoveries:  shown.Recoveries,
		Runs:        shown.RunSeq,
		LastRunAt:   shown.RunAt.UTC(),
		LastRunNode: shown.RunNode,
		DeadlineAt:  shown.DeadlineAt.UTC(),
		JobID:       shown.JobID,
		JobState:    shown.JobState,
		RetryOf:     shown.RetryOf,
		Questions:   []questionJSON{},
		Steps:       []stepJSON{},
		Timeline:    []entryJSON{},
	}
	if shown.Outcome != nil {
		out.Result = shown.Outcome.Result
		if shown.Outcome.Error != nil {
			out.Error = shown.Outcome.Error
		}
	}
	for _, q := range shown.Questions {
		out.Questions = append(out.Questions, questionJSON{
			q.Key, q.Method, q.Params, q.Response, q.AskedAt.UTC(), q.DeadlineAt.UTC(), q.AnsweredAt.UTC(), expired(&q),
		})
	}
	for _, s := range shown.Steps {
		out.Steps = append(out.Steps, stepJSON{s.Key, s.RunSeq, s.Node, s.BeganAt.UTC(), s.EndedAt.UTC(), s.EndedAt.Sub(s.BeganAt).Milliseconds(), s.Bytes})
	}
	for _, e := range timeline(shown) {
		out.Timeline = append(out.Timeline, newEntryJSON(e))
	}
	return out
}

// render returns the task as text.
func render(shown *store.Shown) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, indented(fmt.Sprintf(format, args...), 11))
	}
	line("Task", "%s", shown.ID)
	line("Tool", "%s, queue %s", shown.Tool, shown.Queue)
	line("Owner", "%s", cmp.Or(string(shown.Owner), "-"))
	line("Status", "%s", status(shown))
	line("Created", "%s, %s ago", clock(shown.CreatedAt), short(time.Since(shown.CreatedAt)))
	if !shown.DeadlineAt.IsZero() {
		line("Deadline", "%s", clock(shown.DeadlineAt))
	}
	if !shown.ExpiresAt.IsZero() {
		line("Expires", "%s", clock(shown.ExpiresAt))
	}
	line("Runs", "%d, of which %d ended with an error (at most %d), and %d since the last step or answer with the death of their node",
		shown.RunSeq, shown.Attempts, shown.MaxAttempts, shown.Recoveries)
	if shown.JobID != 0 {
		line("Job", "%d, %s", shown.JobID, cmp.Or(shown.JobState, "gone"))
	}
	if shown.RetryOf != "" {
		line("Retry of", "%s", shown.RetryOf)
	}
	if shown.Arguments != nil {
		line("Arguments", "%s", shown.Arguments)
	}
	if outcome := shown.Outcome; outcome != nil && outcome.Error != nil {
		line("Error", "%d %s", outcome.Error.Code, outcome.Error.Message)
	} else if outcome != nil {
		line("Result", "%s", outcome.Result)
	}
	for _, q := range shown.Questions {
		if q.AnsweredAt.IsZero() {
			line("Asks", "%s (%s, until %s)\n%s", q.Key, q.Method, clock(q.DeadlineAt), q.Params)
		}
	}
	b.WriteString("\nTimeline\n")
	for _, e := range timeline(shown) {
		fmt.Fprintf(&b, "  %s  %s\n", clock(e.at), indented(e.String(), 23))
	}
	return b.String()
}

func status(shown *store.Shown) string {
	text := statusText(shown.Task)
	if shown.StatusMessage != "" {
		text += ": " + shown.StatusMessage
	}
	return text
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// indented makes text printable and indents its lines after the first.
func indented(text string, by int) string {
	return strings.ReplaceAll(printable(strings.TrimRight(text, "\n"), true), "\n", "\n"+strings.Repeat(" ", by))
}
