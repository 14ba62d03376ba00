package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/wire"
)

// This file reads the tasks of protocol 2025-11-25.

// coreCapability is capabilities.tasks of an initialize result. What is nil is not
// there.
type coreCapability struct {
	List     *struct{} `json:"list"`
	Cancel   *struct{} `json:"cancel"`
	Requests struct {
		Tools struct {
			Call *struct{} `json:"call"`
		} `json:"tools"`
	} `json:"requests"`
}

func newCoreCapability(initialized json.RawMessage) *coreCapability {
	var result struct {
		Capabilities struct {
			Tasks *coreCapability `json:"tasks"`
		} `json:"capabilities"`
	}
	if json.Unmarshal(initialized, &result) != nil {
		return nil
	}
	return result.Capabilities.Tasks
}

// call reports whether tools/call may carry params.task.
func (c *coreCapability) call() bool { return c.Requests.Tools.Call != nil }

// wantsTask reports whether the tool's execution.taskSupport is optional or
// required. A client must not call any other as a task.
func (l *link) wantsTask(ctx context.Context, tool string) (bool, error) {
	l.mu.Lock()
	asTask, known := l.asTask[tool]
	l.mu.Unlock()
	if known {
		return asTask, nil
	}
	for cursor := ""; ; {
		answer := &answer{method: wire.MethodTools}
		result, err := l.ListTools(withAnswer(ctx, answer), &mcp.ListToolsParams{Cursor: cursor})
		switch {
		case err != nil && answer.code() != 0:
			return false, nil // no list, no word of tasks
		case err != nil:
			return false, answer.explain(err)
		}
		var page struct {
			Tools []struct {
				Name      string `json:"name"`
				Execution struct {
					TaskSupport mcptasks.TaskSupport `json:"taskSupport"`
				} `json:"execution"`
			} `json:"tools"`
		}
		_ = json.Unmarshal(answer.take(), &page) // the SDK has found it in order
		for _, t := range page.Tools {
			support := t.Execution.TaskSupport
			l.setWantsTask(t.Name, support == mcptasks.TaskOptional || support == mcptasks.TaskRequired)
		}
		if result.NextCursor == "" || result.NextCursor == cursor {
			break
		}
		cursor = result.NextCursor
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asTask[tool], nil
}

func (l *link) setWantsTask(tool string, asTask bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asTask[tool] = asTask
}

// result sends tasks/result, which waits for the task's end. The server may ask
// the client meanwhile.
func (l *link) result(ctx context.Context, id string) (json.RawMessage, error) {
	return send(ctx, l, wire.MethodResult, &wire.TaskParams{TaskID: id})
}

// addResult completes a task that has ended with its result or error.
func (l *link) addResult(ctx context.Context, task *Task) error {
	data, err := l.result(ctx, task.ID)
	var answered *refused
	switch {
	case err == nil && string(data) == "null":
		return &lasting{errors.New("the server answered with a task that has no result")}
	case err == nil:
		task.Result = data
		return nil
	case task.Status == mcptasks.StatusFailed && errors.As(err, &answered):
		task.Error = answered.rpc
		return nil
	default:
		return noSuchTask(err)
	}
}

// list sends tasks/list.
func (l *link) list(ctx context.Context, cursor string) (*Page, error) {
	generation, err := l.generation()
	if err != nil {
		return nil, err
	}
	if generation != core || l.tasks.List == nil {
		return nil, fmt.Errorf("%w: the server has no tasks/list", errors.ErrUnsupported)
	}
	data, err := send(ctx, l, wire.MethodList, &wire.ListParams{Cursor: cursor})
	if err != nil {
		var answered *refused
		if errors.As(err, &answered) && answered.rpc.Code == jsonrpc.CodeInvalidParams {
			return nil, fmt.Errorf("%w: %w", mcptasks.ErrInvalid, err)
		}
		return nil, err
	}
	var result struct {
		Tasks      []json.RawMessage `json:"tasks"`
		NextCursor string            `json:"nextCursor"`
	}
	if err := json.Unmarshal(data, &result); err != nil {
		return nil, &lasting{fmt.Errorf("the server's list of tasks is malformed: %w", err)}
	}
	page := &Page{Tasks: make([]*Task, len(result.Tasks)), Next: result.NextCursor}
	for i, data := range result.Tasks {
		if page.Tasks[i], err = decodeCoreTask(data); err != nil {
			return nil, &lasting{err}
		}
	}
	return page, nil
}

// startedCore is the answer to a tools/call with params.task. A server may ignore
// that and answer plainly.
func (a *answer) startedCore(result *mcp.CallToolResult) (*Started, error) {
	var handle struct {
		Task json.RawMessage `json:"task"`
	}
	data := a.take()
	if data != nil && json.Unmarshal(data, &handle) != nil || handle.Task == nil {
		if data == nil && result.Content == nil && result.StructuredContent == nil {
			return nil, &lasting{errLostHandle}
		}
		return &Started{Result: result}, nil
	}
	task, err := decodeCoreTask(handle.Task)
	if err != nil {
		return nil, &lasting{err}
	}
	return &Started{Task: task}, nil
}

// decodeCoreTask reads a task of 2025-11-25, whose result is told elsewhere.
func decodeCoreTask(data json.RawMessage) (*Task, error) {
	var t struct {
		TaskID        string          `json:"taskId"`
		Status        mcptasks.Status `json:"status"`
		StatusMessage string          `json:"statusMessage"`
		CreatedAt     time.Time       `json:"createdAt"`
		LastUpdatedAt time.Time       `json:"lastUpdatedAt"`
		TTL           float64         `json:"ttl"` // a number in the schema, like the next; null: unlimited
		PollInterval  float64         `json:"pollInterval"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, fmt.Errorf("the server's task is malformed: %w", err)
	}
	ttl := wholeMilliseconds(t.TTL)
	return newTask(&wire.Task{
		TaskID:         t.TaskID,
		Status:         t.Status,
		StatusMessage:  t.StatusMessage,
		CreatedAt:      t.CreatedAt,
		LastUpdatedAt:  t.LastUpdatedAt,
		TTLMs:          &ttl,
		PollIntervalMs: wholeMilliseconds(t.PollInterval),
	})
}

func wholeMilliseconds(ms float64) int64 {
	return int64(min(max(math.Ceil(ms), 0), 1<<62))
}
