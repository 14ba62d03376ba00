//go:build unix

package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
)

// attempts is how many errors a flaky handler may return.
const attempts = 6

func newTools(log *history.Log) *mcptasks.Tools {
	tools := mcptasks.NewTools()
	add := func(name string, handler func(context.Context, *work) error, options *mcptasks.ToolOptions) {
		mcptasks.AddTool(tools, &mcp.Tool{Name: name}, observing(log, handler), options)
	}
	add(history.Quick, func(context.Context, *work) error { return nil }, nil)
	add(history.Plain, func(ctx context.Context, w *work) error { return w.pause(ctx) }, nil)
	add(history.Steps, numbered, nil)
	add(history.Report, report, nil)
	add(history.Ask, ask, nil)
	add(history.Flaky, flaky, &mcptasks.ToolOptions{
		MaxAttempts: attempts,
		Backoff:     func(errs int) time.Duration { return time.Duration(50*errs) * time.Millisecond },
	})
	add(history.Snoozer, snoozer, nil)
	add(history.Refuse, func(ctx context.Context, w *work) error {
		return cmp.Or(w.pause(ctx), errors.New("refused"))
	}, nil)
	add(history.Doomed, func(ctx context.Context, w *work) error {
		return cmp.Or(w.pause(ctx), error(&jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "doomed"}))
	}, nil)
	return tools
}

// work is one run of a handler, and where it is logged.
type work struct {
	log *history.Log
	run *mcptasks.Run
	id  string // the run's token
	in  history.Call
	out history.Output
}

func observing(log *history.Log, handler func(context.Context, *work) error) mcptasks.Handler[history.Call, history.Output] {
	return func(ctx context.Context, run *mcptasks.Run, in history.Call) (*mcp.CallToolResult, history.Output, error) {
		id, _ := claims.Load(run.TaskID())
		token, _ := id.(string)
		w := &work{log: log, run: run, id: token, in: in, out: history.Output{N: in.N, Values: map[string]string{}, Answers: map[string]string{}}}
		w.observe(history.Observation{Kind: history.Began, Due: time.Now().Add(time.Duration(in.Ms) * time.Millisecond).UnixNano()})
		stop := context.AfterFunc(ctx, func() {
			w.observe(history.Observation{Kind: history.CtxEnded, Value: context.Cause(ctx).Error()})
		})
		defer stop()
		err := handler(ctx, w)
		said := ""
		if err != nil {
			said = err.Error()
		}
		w.observe(history.Observation{Kind: history.Returned, Value: said})
		return nil, w.out, err
	}
}

func (w *work) observe(line history.Observation) {
	line.Task, line.Run = w.run.TaskID(), w.id
	w.log.Add(line)
}

// pause waits as long as the call says, or until ctx ends.
func (w *work) pause(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(w.in.Ms) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// step runs a step whose value names this run and ends with the note.
func (w *work) step(ctx context.Context, key, note string) error {
	value, err := mcptasks.Step(ctx, w.run, key, func(ctx context.Context) (string, error) {
		w.observe(history.Observation{Kind: history.StepRan, Key: key})
		if err := w.pause(ctx); err != nil {
			return "", err
		}
		value := w.id + "/" + rand.Text()[:8] + "/" + note
		w.observe(history.Observation{Kind: history.StepDone, Key: key, Value: value})
		return value, nil
	})
	if err != nil {
		return err
	}
	w.observe(history.Observation{Kind: history.Recorded, Key: key, Value: value})
	w.out.Values[key] = value
	return nil
}

func numbered(ctx context.Context, w *work) error {
	for i := range w.in.Steps {
		if err := w.step(ctx, history.StepKey(i), ""); err != nil {
			return err
		}
	}
	return nil
}

func report(ctx context.Context, w *work) error {
	for i := range w.in.Steps {
		w.run.Progress(float64(i), float64(w.in.Steps), "")
		if err := w.step(ctx, history.StepKey(i), ""); err != nil {
			return err
		}
	}
	return nil
}

// flaky fails after each step but the last.
func flaky(ctx context.Context, w *work) error {
	for i := range min(w.in.Steps, w.run.Attempt()) {
		if err := w.step(ctx, history.StepKey(i), ""); err != nil {
			return err
		}
	}
	if w.run.Attempt() < w.in.Steps {
		return fmt.Errorf("attempt %d fails", w.run.Attempt())
	}
	return nil
}

// snoozer snoozes until the time that its first step has recorded.
func snoozer(ctx context.Context, w *work) error {
	if err := w.step(ctx, "before", time.Now().Add(300*time.Millisecond).Format(time.RFC3339Nano)); err != nil {
		return err
	}
	note := w.out.Values["before"]
	until, err := time.Parse(time.RFC3339Nano, note[strings.LastIndexByte(note, '/')+1:])
	if err != nil {
		return err
	}
	if left := time.Until(until); left > 0 {
		return mcptasks.Snooze(left)
	}
	return w.step(ctx, "after", "")
}

func ask(ctx context.Context, w *work) error {
	if err := w.step(ctx, "before", ""); err != nil {
		return err
	}
	answer, err := w.run.Elicit(ctx, "confirm", question("confirm"))
	if err != nil {
		return err
	}
	w.answer("confirm", answer)
	if err := w.step(ctx, "between", ""); err != nil {
		return err
	}
	answers, err := w.run.Ask(ctx, mcp.InputRequestMap{"left": question("left"), "right": question("right")})
	if err != nil {
		return err
	}
	for _, key := range []string{"left", "right"} {
		answer, _ := answers[key].(*mcp.ElicitResult)
		w.answer(key, answer)
	}
	return w.step(ctx, "after", "")
}

func question(key string) *mcp.ElicitParams {
	return &mcp.ElicitParams{
		Message: "What is " + key + "?",
		RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"word": map[string]any{"type": "string"}}, "required": []string{"word"},
		},
	}
}

func (w *work) answer(key string, answer *mcp.ElicitResult) {
	if answer != nil {
		word, _ := answer.Content["word"].(string)
		w.out.Answers[key] = word
	}
}
