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
	"github.com/mcptasks/mcptasks/internal/wire"
)

// Task is a task as the server described it in one answer.
type Task struct {
	ID            string
	Status        mcptasks.Status
	StatusMessage string // for people: the last progress, or why the task ended

	// Result is the tool's answer, byte for byte, once the task is completed;
	// [Task.CallToolResult] decodes it.
	Result json.RawMessage
	// Error is what a failed task ended with.
	Error *jsonrpc.Error

	TTL          time.Duration // how long after CreatedAt the task may be asked for; 0 is without end
	PollInterval time.Duration // how long to wait between polls; 0 leaves it to the client
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CallToolResult returns what the call would have been answered with without a
// task: the result of a completed task, which may have IsError set, or else the
// error of a failed one, or [mcptasks.ErrCancelled]. Asked of a task that has not
// ended it returns an error. Numbers in StructuredContent are float64, as all
// JSON is to the SDK; Result has them as they were sent.
func (t *Task) CallToolResult() (*mcp.CallToolResult, error) {
	switch {
	case t.Status == mcptasks.StatusCompleted:
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

// newTask checks what a server said of a task, which is to be relied on later.
func newTask(w *wire.Task) (*Task, error) {
	switch {
	case w.TaskID == "":
		return nil, errors.New("the server answered with a task that has no taskId")
	case !slices.Contains(mcptasks.Statuses(), w.Status):
		return nil, fmt.Errorf("the server answered with a task whose status is %.100q", w.Status)
	case w.Status == mcptasks.StatusCompleted && w.ResultType != resultTypeTask && (w.Result == nil || string(w.Result) == "null"):
		return nil, errors.New("the server answered with a completed task that has no result")
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
	return task, nil
}

// milliseconds is ms as far as a Duration can say it.
func milliseconds(ms int64) time.Duration {
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(min(max(ms, 0), most)) * time.Millisecond
}
