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
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// This file has what only protocol 2025-11-25 has.

// coreCapability is capabilities.tasks of an initialize result. The server lacks
// what is nil.
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

// callAsTask reports whether tools/call may carry params.task.
func (c *coreCapability) callAsTask() bool { return c.Requests.Tools.Call != nil }

// wantsTask reports whether the tool's execution.taskSupport is optional or
// required. A client must not call any other tool as a task. The answer comes from the
// server's list of tools, which is read once per connection.
func (c *conn) wantsTask(ctx context.Context, tool string) (bool, error) {
	c.mu.Lock()
	asTask, listed := c.asTask[tool]
	c.mu.Unlock()
	if listed {
		return asTask, nil
	}
	for cursor := ""; ; {
		captured := &capture{method: mcpwire.MethodTools}
		result, err := c.ListTools(withCapture(ctx, captured), &mcp.ListToolsParams{Cursor: cursor})
		switch {
		case err != nil && captured.errorCode() != 0:
			return false, nil // the server has no list
		case err != nil:
			return false, captured.explain(err)
		}
		var page struct {
			Tools []struct {
				Name      string `json:"name"`
				Execution struct {
					TaskSupport mcptasks.TaskSupport `json:"taskSupport"`
				} `json:"execution"`
			} `json:"tools"`
		}
		_ = json.Unmarshal(captured.consume(), &page) // the SDK has decoded it without an error
		for _, t := range page.Tools {
			support := t.Execution.TaskSupport
			c.setWantsTask(t.Name, support == mcptasks.TaskOptional || support == mcptasks.TaskRequired)
		}
		if result.NextCursor == "" || result.NextCursor == cursor {
			break
		}
		cursor = result.NextCursor
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asTask[tool], nil
}

func (c *conn) setWantsTask(tool string, asTask bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asTask[tool] = asTask
}

// result sends tasks/result, which returns when the task ends. Meanwhile the server
// may send its questions to the client.
func (c *conn) result(ctx context.Context, id string) (json.RawMessage, error) {
	return send(ctx, c, mcpwire.MethodResult, &mcpwire.TaskParams{TaskID: id})
}

// addResult sets the result or the error of a task that has ended.
func (c *conn) addResult(ctx context.Context, task *Task) error {
	data, err := c.result(ctx, task.ID)
	var answered *serverError
	switch {
	case err == nil && string(data) == "null":
		return &permanent{errors.New("the server answered with a task that has no result")}
	case err == nil:
		task.Result = data
		return nil
	case task.Status == mcptasks.StatusFailed && errors.As(err, &answered):
		task.Error = answered.rpc
		return nil
	default:
		return notFound(err)
	}
}

// list sends tasks/list.
func (c *conn) list(ctx context.Context, cursor string) (*Page, error) {
	generation, err := c.generation()
	if err != nil {
		return nil, err
	}
	if generation != core || c.tasks.List == nil {
		return nil, fmt.Errorf("%w: the server has no tasks/list", errors.ErrUnsupported)
	}
	data, err := send(ctx, c, mcpwire.MethodList, &mcpwire.ListParams{Cursor: cursor})
	if err != nil {
		var answered *serverError
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
		return nil, &permanent{fmt.Errorf("the server's list of tasks is malformed: %w", err)}
	}
	page := &Page{Tasks: make([]*Task, len(result.Tasks)), Next: result.NextCursor}
	for i, data := range result.Tasks {
		if page.Tasks[i], err = decodeCoreTask(data); err != nil {
			return nil, &permanent{err}
		}
	}
	return page, nil
}

// startedCore decodes the captured response to a tools/call with params.task. A server
// may ignore params.task and return the tool's result.
func (c *capture) startedCore(result *mcp.CallToolResult) (*Started, error) {
	var handle struct {
		Task json.RawMessage `json:"task"`
	}
	data := c.consume()
	if data != nil && json.Unmarshal(data, &handle) != nil || handle.Task == nil {
		if data == nil && result.Content == nil && result.StructuredContent == nil {
			return nil, &permanent{errLostHandle}
		}
		return &Started{Result: result}, nil
	}
	task, err := decodeCoreTask(handle.Task)
	if err != nil {
		return nil, &permanent{err}
	}
	return &Started{Task: task}, nil
}

// decodeCoreTask reads a task of 2025-11-25, whose result is not in it.
func decodeCoreTask(data json.RawMessage) (*Task, error) {
	var t struct {
		TaskID        string          `json:"taskId"`
		Status        mcptasks.Status `json:"status"`
		StatusMessage string          `json:"statusMessage"`
		CreatedAt     time.Time       `json:"createdAt"`
		LastUpdatedAt time.Time       `json:"lastUpdatedAt"`
		TTL           float64         `json:"ttl"` // the schema allows fractions; null is unlimited
		PollInterval  float64         `json:"pollInterval"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, fmt.Errorf("the server's task is malformed: %w", err)
	}
	ttl := wholeMilliseconds(t.TTL)
	return newTask(&mcpwire.Task{
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
