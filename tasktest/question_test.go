package tasktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

func whichSize() *mcp.ElicitParams {
	return &mcp.ElicitParams{
		Message:         "Which size?",
		RequestedSchema: json.RawMessage(`{"type":"object","properties":{"size":{"type":"integer"}},"required":["size"]}`),
	}
}

func aVerse() *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{MaxTokens: 100, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "A verse."}}}}
}

func accept(size any) *mcp.ElicitResult {
	return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"size": size}}
}

var verse = &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "a verse"}}

// asksOne is a tool that asks between two steps.
func asksOne(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
	if _, err := mcptasks.Step(ctx, run, "fetch", done); err != nil {
		return nil, err
	}
	answer, err := run.Elicit(ctx, "size", whichSize())
	switch {
	case errors.Is(err, mcptasks.ErrUnanswered):
		return text("nobody answered"), nil
	case err != nil:
		return nil, err
	case answer.Action != "accept":
		return text("told to " + answer.Action), nil
	}
	if _, err := mcptasks.Step(ctx, run, "write", done); err != nil {
		return nil, err
	}
	return text(fmt.Sprint("size ", answer.Content["size"])), nil
}

// asksTwo is a tool that asks two questions at once.
func asksTwo(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
	answers, err := run.Ask(ctx, mcp.InputRequestMap{"size": whichSize(), "poem": aVerse()})
	if err != nil && !errors.Is(err, mcptasks.ErrUnanswered) {
		return nil, err
	}
	return text(fmt.Sprint(slices.Sorted(maps.Keys(answers)), err)), nil
}

func wantOpen(t *testing.T, task *tasktest.Task, keys ...string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(task.Questions())); !slices.Equal(got, keys) {
		t.Errorf("open questions %q, want %q", got, keys)
	}
	want := mcptasks.StatusInputRequired
	if len(keys) == 0 {
		want = mcptasks.StatusWorking
	}
	wantStatus(t, task, want)
}

func wantParked(t *testing.T, task *tasktest.Task, end tasktest.End) {
	t.Helper()
	wantCause(t, end, mcptasks.ErrParked)
	if end.Again || end.After != 0 || task.Attempts() != 0 {
		t.Errorf("the run ended with %+v, %d attempts used", end, task.Attempts())
	}
}

func TestAnswer(t *testing.T) {
	for _, test := range []struct {
		response any
		says     string
	}{
		{accept(4), "size 4"},
		{json.RawMessage(`{"action":"accept","content":{"size":4,"more":true}}`), "size 4"},
		{&mcp.ElicitResult{Action: "decline"}, "told to decline"},
		{map[string]any{"action": "cancel"}, "told to cancel"},
	} {
		task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 2}, asksOne)
		wantParked(t, task, task.Run())
		wantOpen(t, task, "size")
		question := task.Questions()["size"]
		if question.Method != mcptasks.MethodElicit || !strings.Contains(string(question.Params), "Which size?") {
			t.Errorf("a client is shown %s %s", question.Method, question.Params)
		}
		task.Answer("size", test.response)
		wantOpen(t, task)
		if end := task.Run(); end.Again || end.Cause != nil {
			t.Errorf("the second run ended with %+v", end)
		}
		if got := textOf(t, task); got != test.says {
			t.Errorf("result %q, want %q", got, test.says)
		}
		if task.StepRuns("fetch") != 1 {
			t.Errorf("fetched %d times", task.StepRuns("fetch"))
		}
	}
}

func TestSampleAnswer(t *testing.T) {
	task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		result, err := run.Sample(ctx, "poem", aVerse())
		if err != nil {
			return nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{result.Content}}, nil
	})
	wantParked(t, task, task.Run())
	if got := task.Questions()["poem"].Method; got != mcptasks.MethodSample {
		t.Errorf("asked %s", got)
	}
	task.Answer("poem", verse)
	task.Run()
	if got := textOf(t, task); got != "a verse" {
		t.Errorf("result %q", got)
	}
}

func TestPartialAnswersKeepTheTaskWaiting(t *testing.T) {
	task := newTask(t, nil, asksTwo)
	wantParked(t, task, task.Run())
	wantOpen(t, task, "poem", "size")
	task.Answer("poem", verse)
	wantOpen(t, task, "size")
	task.Answer("size", accept(4))
	wantOpen(t, task)
	task.Run()
	if got := textOf(t, task); got != "[poem size] <nil>" {
		t.Errorf("result %q", got)
	}
}

func TestOneQuestionAfterTheOther(t *testing.T) {
	task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		for _, key := range []string{"first", "second"} {
			if _, err := run.Elicit(ctx, key, whichSize()); err != nil {
				return nil, fmt.Errorf("asking: %w", err)
			}
		}
		return text("both"), nil
	})
	for _, key := range []string{"first", "second"} {
		wantParked(t, task, task.Run())
		wantOpen(t, task, key)
		task.Answer(key, accept(1))
	}
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
}

func TestExpire(t *testing.T) {
	task := newTask(t, nil, asksOne)
	task.Run()
	task.Expire("size")
	wantOpen(t, task)
	task.Run()
	if got := textOf(t, task); got != "nobody answered" {
		t.Errorf("result %q", got)
	}
}

// The handler runs again at the first deadline, with the answers that have come.
func TestExpireOneOfTwo(t *testing.T) {
	task := newTask(t, nil, asksTwo)
	task.Run()
	task.Answer("size", accept(4))
	task.Expire("poem")
	task.Run()
	if got := textOf(t, task); got != "[size] the question was not answered in time: poem" {
		t.Errorf("result %q", got)
	}
}

func TestQuestionThatOutlivesAnother(t *testing.T) {
	task := newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		_, err := run.Ask(ctx, mcp.InputRequestMap{"size": whichSize(), "poem": aVerse()})
		if errors.Is(err, mcptasks.ErrUnanswered) {
			_, err = run.Sample(ctx, "poem", aVerse())
		}
		return text("done"), err
	})
	task.Run()
	task.Expire("size")
	wantOpen(t, task)
	wantParked(t, task, task.Run())
	wantOpen(t, task, "poem")
	task.Answer("poem", verse)
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
}

// The task waits for the answer, whatever the handler returns after ErrParked.
func TestParkedRunIsNotBelieved(t *testing.T) {
	ends := map[string]func() (*mcp.CallToolResult, error){
		"result":         func() (*mcp.CallToolResult, error) { return text("never mind"), nil },
		"error":          func() (*mcp.CallToolResult, error) { return nil, errors.New("no answer") },
		"permanent":      func() (*mcp.CallToolResult, error) { return nil, mcptasks.Permanent(errors.New("no answer")) },
		"JSON-RPC error": func() (*mcp.CallToolResult, error) { return nil, &jsonrpc.Error{Code: 1, Message: "no answer"} },
		"snooze":         func() (*mcp.CallToolResult, error) { return nil, mcptasks.Snooze(time.Hour) },
		"panic":          func() (*mcp.CallToolResult, error) { panic("no answer") },
	}
	for name, finish := range ends {
		t.Run(name, func(t *testing.T) {
			task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 2}, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
				answer, err := run.Elicit(ctx, "size", whichSize())
				if answer != nil {
					return text("answered"), nil
				}
				if !errors.Is(err, mcptasks.ErrParked) || !errors.Is(context.Cause(ctx), mcptasks.ErrParked) {
					t.Errorf("Elicit returned %v, the context ended with %v", err, context.Cause(ctx))
				}
				deaf := context.WithoutCancel(ctx)
				run.Progress(1, 1, "late")
				if _, err := mcptasks.Step(deaf, run, "late", done); !errors.Is(err, mcptasks.ErrParked) {
					t.Errorf("a step of a parked run returned %v", err)
				}
				if _, err := run.Elicit(deaf, "late", whichSize()); !errors.Is(err, mcptasks.ErrParked) {
					t.Errorf("a question of a parked run returned %v", err)
				}
				return finish()
			})
			end := task.Run()
			wantParked(t, task, end)
			if !strings.Contains(end.Cause.Error(), "did not return the error of its question") {
				t.Errorf("the cause is %v", end.Cause)
			}
			wantOpen(t, task, "size")
			wantSteps(t, task)
			if len(task.Progress()) != 0 {
				t.Errorf("progress %v", task.Progress())
			}
			task.Answer("size", accept(4))
			task.Run()
			if got := textOf(t, task); got != "answered" {
				t.Errorf("result %q", got)
			}
		})
	}
}

// An answer survives the death of the run that uses it.
func TestKillAfterTheAnswer(t *testing.T) {
	task := newTask(t, nil, asksOne)
	task.Run()
	task.Answer("size", accept(4))
	task.KillAfter("write")
	wantCause(t, task.Run(), tasktest.ErrKilled)
	wantOpen(t, task)
	task.Run()
	if got := textOf(t, task); got != "size 4" || task.StepRuns("write") != 1 {
		t.Errorf("result %q, written %d times", got, task.StepRuns("write"))
	}
}

// A run that has lost its task asks nothing, even with a context that has not ended. After
// a shutdown the run still holds its task, and its questions are kept.
func TestAskInAnEndedRun(t *testing.T) {
	tests := []struct {
		name   string
		end    func(*tasktest.Task)
		deaf   bool
		err    error // that the question returns
		cause  error // of the end of the run
		status mcptasks.Status
	}{
		{"killed", (*tasktest.Task).Kill, false, tasktest.ErrKilled, tasktest.ErrKilled, mcptasks.StatusWorking},
		{"killed, deaf", (*tasktest.Task).Kill, true, tasktest.ErrKilled, tasktest.ErrKilled, mcptasks.StatusWorking},
		{"cancelled", (*tasktest.Task).Cancel, false, mcptasks.ErrCancelled, mcptasks.ErrCancelled, mcptasks.StatusCancelled},
		{"cancelled, deaf", (*tasktest.Task).Cancel, true, mcptasks.ErrCancelled, mcptasks.ErrCancelled, mcptasks.StatusCancelled},
		{"shut down", (*tasktest.Task).Shutdown, false, mcptasks.ErrShutdown, mcptasks.ErrShutdown, mcptasks.StatusWorking},
		{"shut down, deaf", (*tasktest.Task).Shutdown, true, mcptasks.ErrShutdown, mcptasks.ErrParked, mcptasks.StatusInputRequired},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var task *tasktest.Task
			task = newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
				test.end(task)
				if test.deaf {
					ctx = context.WithoutCancel(ctx)
				}
				_, err := run.Elicit(ctx, "size", whichSize())
				if !errors.Is(err, test.err) {
					t.Errorf("the question returned %v, want %v", err, test.err)
				}
				return nil, err
			})
			end := task.Run()
			wantCause(t, end, test.cause)
			wantStatus(t, task, test.status)
			if asked := len(task.Questions()) == 1; asked != (test.status == mcptasks.StatusInputRequired) {
				t.Errorf("status %s with questions %v", test.status, task.Questions())
			}
			if end.Again != (test.status == mcptasks.StatusWorking) || strings.Contains(fmt.Sprint(end.Cause), "did not return") {
				t.Errorf("the run ended with %+v", end)
			}
		})
	}
}

func TestCancelOfAWaitingTask(t *testing.T) {
	task := newTask(t, nil, asksOne)
	task.Run()
	task.Cancel()
	wantStatus(t, task, mcptasks.StatusCancelled)
	if len(task.Questions()) != 0 {
		t.Errorf("a cancelled task asks %v", task.Questions())
	}
}

// A client may answer before the handler that asked has returned.
func TestAnswerWhileTheRunWindsDown(t *testing.T) {
	var task *tasktest.Task
	runs := 0
	task = newTask(t, nil, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		runs++
		_, err := run.Elicit(ctx, "size", whichSize())
		if runs == 1 {
			task.Answer("size", accept(4))
		}
		return text("answered"), err
	})
	end := task.Run()
	wantCause(t, end, mcptasks.ErrParked)
	if !end.Again {
		t.Errorf("the run ended with %+v, want to be run again", end)
	}
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
}

// A key is one question for the task's whole life. Another question with the same key ends
// the task, whatever attempts are left.
func TestOtherQuestionUnderTheKey(t *testing.T) {
	runs := 0
	task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 3}, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
		runs++
		if runs == 1 {
			_, err := run.Elicit(ctx, "q", whichSize())
			return nil, err
		}
		_, err := run.Sample(ctx, "q", aVerse())
		return nil, err
	})
	task.Run()
	task.Answer("q", accept(4))
	task.Run()
	wantStatus(t, task, mcptasks.StatusCompleted)
	if got := textOf(t, task); !task.Result().IsError || !strings.Contains(got, "another method or schema") {
		t.Errorf("result %q", got)
	}
}

func TestQuestionKeyMustBeText(t *testing.T) {
	for _, key := range []string{"a\x00b", "\xff"} {
		task := newTask(t, &mcptasks.ToolOptions{MaxAttempts: 3}, func(ctx context.Context, run *mcptasks.Run) (*mcp.CallToolResult, error) {
			_, err := run.Elicit(ctx, key, whichSize())
			return nil, err
		})
		wantCause(t, task.Run(), mcptasks.ErrInvalid)
		wantStatus(t, task, mcptasks.StatusCompleted)
	}
}

func TestMistakesWithQuestionsFailTheTest(t *testing.T) {
	tests := []struct {
		name, words string
		test        func(task *tasktest.Task)
	}{
		{"answer against the schema", `Answer("size"): content does not match`, func(task *tasktest.Task) { task.Answer("size", accept("large")) }},
		{"invalid answer", `Answer("size"): action "" is none of`, func(task *tasktest.Task) { task.Answer("size", verse) }},
		{"answer that is no JSON", "unsupported type", func(task *tasktest.Task) { task.Answer("size", func() {}) }},
		{"nil answer", "none of", func(task *tasktest.Task) { task.Answer("size", nil) }},
		{"unknown key", `the task has asked ["poem" "size"]`, func(task *tasktest.Task) { task.Answer("zise", accept(4)) }},
		{"second answer", "has been answered", func(task *tasktest.Task) {
			task.Answer("size", accept(4))
			task.Answer("size", accept(5))
		}},
		{"answer too late", "deadline has passed", func(task *tasktest.Task) {
			task.Expire("size")
			task.Answer("size", accept(5))
		}},
		{"answer to a task that does not wait", "working and waits for no answer", func(task *tasktest.Task) {
			task.Expire("size")
			task.Answer("poem", verse)
		}},
		{"answer to a cancelled task", "cancelled and waits for no answer", func(task *tasktest.Task) {
			task.Cancel()
			task.Answer("poem", verse)
		}},
		{"expiry of an unknown key", `Expire("zise")`, func(task *tasktest.Task) { task.Expire("zise") }},
		{"expiry of an answered question", "has been answered", func(task *tasktest.Task) {
			task.Answer("size", accept(4))
			task.Expire("size")
		}},
		{"run of a task that waits", `waits for answers to ["poem"]`, func(task *tasktest.Task) {
			task.Answer("size", accept(4))
			task.Run()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantFailure(t, test.words, func(tb tasktest.TB) {
				task := newTask(tb, nil, asksTwo)
				task.Run()
				test.test(task)
			})
		})
	}
	t.Run("answer before the first run", func(t *testing.T) {
		wantFailure(t, "has asked nothing", func(tb tasktest.TB) { newTask(tb, nil, asksOne).Answer("size", accept(4)) })
	})
	t.Run("step that the parked run did not come to", func(t *testing.T) {
		wantFailure(t, `KillAfter("write")`, func(tb tasktest.TB) {
			task := newTask(tb, nil, asksOne)
			task.KillAfter("write")
			task.Run()
		})
	})
}
