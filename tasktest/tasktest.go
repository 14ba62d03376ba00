// Package tasktest tests durable tools in memory: run a tool, answer its questions, kill
// it after a named step, run it again, and see what it did twice.
//
// A tool runs as a worker runs it, through the SDK's tools/call: argument defaults,
// schema checks and output are the real ones. Nothing waits. A retry or a snooze says how
// long a worker would wait, and the next Run is the later run. A question's deadline
// passes when the test says so. The only clock is the tool's RunTimeout; it takes no time
// in a [testing/synctest] bubble.
//
// The package knows no node and no database. It leaves out what they do: the limits on a
// result's size, on steps, on questions and on deaths in a row, the task's deadline and
// its expiry.
//
// Before v1.0 a minor version may change this API. The changelog then says how to change
// a test.
package tasktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/question"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// TB is what this package needs of a test. A [testing.TB] is one, and so is the T of other
// test libraries.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Worker runs tasks of a set of tools. Safe for concurrent use.
type Worker struct {
	tb     TB
	tools  *mcptasks.Tools
	caller *toolcall.Caller
	tasks  atomic.Int64
}

// New returns a worker of the tools. Wrong use of the worker and its tasks fails the test.
// What a tool does never fails it.
func New(tb TB, tools *mcptasks.Tools) *Worker {
	tb.Helper()
	caller, err := tools.Internal().NewCaller()
	if err != nil {
		tb.Fatalf("tasktest: %v", err)
	}
	tb.Cleanup(func() { _ = caller.Close() })
	return &Worker{tb: tb, tools: tools, caller: caller}
}

// Task returns a new task of the tool. Its status is working; no run has begun. The
// arguments are anything that encoding/json encodes as an object, or nil for none. They
// are checked against the tool's schema when it runs.
func (w *Worker) Task(tool string, arguments any) *Task {
	w.tb.Helper()
	known, ok := w.tools.Get(tool)
	switch {
	case !ok:
		w.tb.Fatalf("tasktest: there is no tool %q", tool)
	case !known.HasHandler:
		w.tb.Fatalf("tasktest: tool %q has no handler in this program", tool)
	case known.Options.TaskSupport == mcptasks.TaskForbidden:
		w.tb.Fatalf("tasktest: tool %q forbids tasks", tool)
	}
	raw, err := object(arguments)
	if err != nil {
		w.tb.Fatalf("tasktest: the arguments of %q: %v", tool, err)
	}
	return &Task{
		worker:    w,
		tool:      known,
		call:      toolcall.Call{TaskID: fmt.Sprintf("task-%d", w.tasks.Add(1)), Tool: tool, Arguments: raw},
		status:    mcptasks.StatusWorking,
		steps:     make(map[string]json.RawMessage),
		stepRuns:  make(map[string]int),
		questions: make(map[string]question.Question),
	}
}

func object(arguments any) (json.RawMessage, error) {
	if arguments == nil {
		return nil, nil
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return nil, fmt.Errorf("%w: %s is not a JSON object", mcptasks.ErrInvalid, raw)
	}
	return raw, nil
}
