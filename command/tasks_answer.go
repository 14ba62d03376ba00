package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

const tasksAnswerLong = `Answer the questions that a task waits for, in place of its client.

An answer is the result of the question's method, as a client would send it. KEY=- reads it from
standard input. For an elicitation, --accept and --decline write the answer for you. The handler
runs again when all questions are answered. 'tasks show' prints the questions and their keys.`

func (p *program) tasksAnswer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "answer ID [KEY=JSON]...",
		Short: "Answer the questions that a task waits for",
		Long:  tasksAnswerLong,
		Example: p.examples(
			"tasks answer "+exampleID+` --accept 'approve={"approved":true}'`, "",
			"tasks answer "+exampleID+" --decline approve", "",
			"tasks answer "+exampleID+` 'approve={"action":"accept","content":{"approved":true}}'`, "",
			"tasks answer "+exampleID+" approve=- < answer.json", "",
		),
		Args: cobra.MinimumNArgs(1),
	}
	// StringArray, since StringSlice splits JSON at its commas.
	accept := cmd.Flags().StringArray("accept", nil, "accept the elicitation with this key: KEY or KEY=CONTENT, as JSON")
	decline := cmd.Flags().StringArray("decline", nil, "decline the elicitation with this key")
	out := printerOf(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		answers, err := readAnswers(cmd.InOrStdin(), args[1:], *accept, *decline)
		if err != nil {
			return err
		}
		return p.withOperator(cmd, func(ctx context.Context, operator *runner.Operator) error {
			if err := checkAsked(ctx, operator, args[0], answers); err != nil {
				return err
			}
			if err := operator.Answer(ctx, args[0], answers); err != nil {
				return err
			}
			shown, err := operator.Show(ctx, args[0])
			if err != nil {
				return err
			}
			if out.json() {
				return printJSON(cmd.OutOrStdout(), newTaskJSON(shown.Task))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "answered %s; the task is %s\n", list(answers), shown.Status)
			return err
		})
	})
	return cmd
}

// readAnswers returns the answers by key.
func readAnswers(in io.Reader, given, accept, decline []string) (map[string]json.RawMessage, error) {
	answers := make(map[string]json.RawMessage)
	add := func(key, answer string) error {
		if _, twice := answers[key]; twice {
			return usagef("%s is answered twice", key)
		}
		if !json.Valid([]byte(answer)) {
			return usagef("the answer to %s is not JSON: %s", key, shorten(answer, messageWidth))
		}
		answers[key] = json.RawMessage(answer)
		return nil
	}
	for _, arg := range given {
		key, answer, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usagef("%q is not an answer: write KEY=JSON", arg)
		}
		if answer == "-" {
			read, err := io.ReadAll(in)
			if err != nil {
				return nil, err
			}
			answer = string(read)
		}
		if err := add(key, answer); err != nil {
			return nil, err
		}
	}
	for _, arg := range accept {
		key, content, ok := strings.Cut(arg, "=")
		answer := `{"action":"accept"}`
		if ok {
			answer = `{"action":"accept","content":` + content + `}`
		}
		if err := add(key, answer); err != nil {
			return nil, err
		}
	}
	for _, key := range decline {
		if err := add(key, `{"action":"decline"}`); err != nil {
			return nil, err
		}
	}
	if len(answers) == 0 {
		return nil, usagef("there is no answer: write KEY=JSON, --accept KEY or --decline KEY")
	}
	return answers, nil
}

// checkAsked returns an error for an answer to a question that is not open. MCP requires a
// server to ignore it, and a person would believe that it was accepted.
func checkAsked(ctx context.Context, operator *runner.Operator, id string, answers map[string]json.RawMessage) error {
	shown, err := operator.Show(ctx, id)
	if err != nil {
		return err
	}
	for key := range answers {
		if _, open := shown.Task.Questions[key]; !open {
			return &mcptasks.Error{
				Op: "answer", TaskID: id,
				Err:  fmt.Errorf("%w: no question with the key %q is open; the task is %s", mcptasks.ErrConflict, key, shown.Status),
				Hint: "open questions: " + list(shown.Task.Questions),
			}
		}
	}
	return nil
}

func list[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
