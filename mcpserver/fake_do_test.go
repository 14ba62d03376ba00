package mcpserver_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
)

// do changes a task that has no worker. what is one of: ask ID KEY, say ID TEXT, complete ID,
// fail ID.
func (f *fakeRunner) do(t *testing.T, what []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	task := f.tasks[what[1]]
	switch what[0] {
	case "ask":
		questions := maps.Clone(task.Questions)
		if questions == nil {
			questions = make(map[string]mcptasks.Question)
		}
		questions[what[2]] = question(what[2])
		task.Status, task.Questions = mcptasks.StatusInputRequired, questions
	case "say":
		task.StatusMessage = strings.Join(what[2:], " ")
	case "complete":
		end(task, &mcptasks.Outcome{Result: json.RawMessage(`{"content":[{"type":"text","text":"done"}]}`)})
	case "fail":
		end(task, failure.Outcome("The tool stopped unexpectedly."))
	default:
		t.Fatalf("Do: %s", what)
	}
	f.changed(task)
}

// changed sends a changed task to its watchers.
func (f *fakeRunner) changed(task *mcptasks.Task) {
	task.UpdatedAt = task.UpdatedAt.Add(time.Second)
	close(f.moved)
	f.moved = make(chan struct{})
}

// question returns a question with the key. A key that begins with "sample" is for sampling,
// any other for elicitation.
func question(key string) mcptasks.Question {
	if strings.HasPrefix(key, "sample") {
		return mcptasks.Question{Method: mcptasks.MethodSample, Params: json.RawMessage(
			`{"messages":[{"role":"user","content":{"type":"text","text":"` + key + `?"}}],"maxTokens":10}`)}
	}
	return mcptasks.Question{Method: mcptasks.MethodElicit, Params: json.RawMessage(`{"mode":"form","message":"` + key + `?",` +
		`"requestedSchema":{"type":"object","properties":{"` + key + `":{"type":"string"}},"required":["` + key + `"]}}`)}
}
