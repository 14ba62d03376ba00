package mcpclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// Task is a task as the server described it in one answer.
type Task struct {
	ID            string
	Status        mcptasks.Status
	StatusMessage string // for people: the last progress, or why the task ended

	// Result is the tool's result, byte for byte: of a completed task, or, in protocol
	// 2025-11-25, of a task that failed because its result has isError set.
	// [Task.CallToolResult] decodes it.
	Result json.RawMessage
	// Error is the JSON-RPC error of a failed task.
	Error *jsonrpc.Error
	// Questions are the open questions, by key, while the status is input_required. It
	// is empty in protocol 2025-11-25, whose server sends its questions itself.
	Questions map[string]mcptasks.Question

	TTL          time.Duration // how long after CreatedAt the server keeps the task; 0 is without a limit
	PollInterval time.Duration // how long to wait between polls; 0 leaves it to the client
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CallToolResult returns what the call would have returned without a task: the result,
// which may have IsError set, the *[jsonrpc.Error] of a failed task, or
// [mcptasks.ErrCancelled]. It returns an error for a task that has not ended. Numbers in
// StructuredContent are float64, as the SDK decodes JSON; Result has them as they were
// sent.
func (t *Task) CallToolResult() (*mcp.CallToolResult, error) {
	switch {
	case t.Status == mcptasks.StatusCompleted, t.Status == mcptasks.StatusFailed && t.Error == nil && t.Result != nil:
		result := new(mcp.CallToolResult)
		if err := json.Unmarshal(t.Result, result); err != nil {
			return nil, fmt.Errorf("mcpclient: the result of task %s: %w", t.ID, err)
		}
		return result, nil
	case t.Status == mcptasks.StatusFailed && t.Error != nil:
		return nil, t.Error
	case t.Status == mcptasks.StatusFailed:
		return nil, fmt.Errorf("mcpclient: task %s failed: %s", t.ID, t.StatusMessage)
	case t.Status == mcptasks.StatusCancelled:
		return nil, mcptasks.ErrCancelled
	default:
		return nil, fmt.Errorf("mcpclient: task %s has not ended: it is %s", t.ID, t.Status)
	}
}

// decodeTask reads a task of the extension: a handle, or the result of tasks/get.
func decodeTask(data json.RawMessage) (*Task, error) {
	var w mcpwire.Task
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("the server's task is malformed: %w", err)
	}
	if w.Status == mcptasks.StatusCompleted && w.ResultType != resultTypeTask && (w.Result == nil || string(w.Result) == "null") {
		return nil, errors.New("the server answered with a completed task that has no result")
	}
	return newTask(&w)
}

// newTask checks the members that the other code relies on.
func newTask(w *mcpwire.Task) (*Task, error) {
	switch {
	case w.TaskID == "":
		return nil, errors.New("the server answered with a task that has no taskId")
	case !slices.Contains(mcptasks.Statuses(), w.Status):
		return nil, fmt.Errorf("the server answered with a task whose status is %.100q", w.Status)
	}
	task := &Task{
		ID:            w.TaskID,
		Status:        w.Status,
		StatusMessage: w.StatusMessage,
		Result:        w.Result,
		Error:         w.Error,
		PollInterval:  milliseconds(w.PollIntervalMs),
		CreatedAt:     w.CreatedAt,
		UpdatedAt:     w.LastUpdatedAt,
	}
	if w.TTLMs != nil {
		task.TTL = milliseconds(*w.TTLMs)
	}
	if w.Status == mcptasks.StatusInputRequired && len(w.InputRequests) > 0 {
		task.Questions = make(map[string]mcptasks.Question, len(w.InputRequests))
		for key, request := range w.InputRequests {
			task.Questions[key] = mcptasks.Question{Method: request.Method, Params: request.Params}
		}
	}
	return task, nil
}

// milliseconds returns ms as a Duration, limited to what a Duration can hold.
func milliseconds(ms int64) time.Duration {
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(min(max(ms, 0), most)) * time.Millisecond
}
