package mcpwire

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// This file has the tasks of the core protocol, version 2025-11-25.

const (
	// CoreVersion is the first protocol version that has tasks in its core. Since
	// ExtensionVersion the core has none.
	CoreVersion = "2025-11-25"

	MethodInitialize = "initialize"
	MethodTools      = "tools/list"
	MethodResult     = "tasks/result"
	MethodList       = "tasks/list"

	// NotificationStatus carries a CoreTask.
	NotificationStatus = "notifications/tasks/status"

	metaRelatedTask = "io.modelcontextprotocol/related-task"
)

// ListParams are the params of tasks/list.
type ListParams struct {
	mcp.ParamsBase
	Cursor string `json:"cursor,omitempty"`
}

// CoreTask is a task as the core protocol writes it. It is the answer to tasks/get and
// tasks/cancel, and part of other messages.
type CoreTask struct {
	mcp.ResultBase
	TaskID        string          `json:"taskId"`
	Status        mcptasks.Status `json:"status"`
	StatusMessage string          `json:"statusMessage,omitempty"`
	CreatedAt     time.Time       `json:"createdAt"`
	LastUpdatedAt time.Time       `json:"lastUpdatedAt"`
	TTL           int64           `json:"ttl"`                    // milliseconds
	PollInterval  int64           `json:"pollInterval,omitempty"` // milliseconds
}

// NewCoreTask renders a task. In 2025-11-25 a task whose tool returned an error result has
// failed, and its message is the text of that result.
func NewCoreTask(task *mcptasks.Task) *CoreTask {
	t := &CoreTask{
		TaskID:        task.ID,
		Status:        task.Status,
		StatusMessage: task.StatusMessage,
		CreatedAt:     task.CreatedAt,
		LastUpdatedAt: task.UpdatedAt,
		TTL:           task.TTL.Milliseconds(),
		PollInterval:  task.PollInterval.Milliseconds(),
	}
	switch o := task.Outcome; {
	case o == nil:
	case o.Error != nil:
		if t.StatusMessage == "" {
			t.StatusMessage = o.Error.Message
		}
	case o.IsError:
		t.Status = mcptasks.StatusFailed
		if text := ResultText(o.Result); text != "" {
			t.StatusMessage = text
		} else if t.StatusMessage == "" {
			t.StatusMessage = "The tool reported an error."
		}
	}
	return t
}

// ResultText returns the text contents of a result, cut to 4096 bytes. It returns "" if
// there is no text.
func ResultText(result json.RawMessage) string {
	const most = 4096
	var answer struct {
		Content []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"content"`
	}
	_ = json.Unmarshal(result, &answer) // a result that is not JSON has no text
	var texts []string
	for _, content := range answer.Content {
		if content.Type == "text" && content.Text != "" {
			texts = append(texts, content.Text)
		}
	}
	text := strings.Join(texts, "\n")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// CoreHandle is the answer to a tools/call that became a task.
type CoreHandle struct {
	mcp.ResultBase
	Task *CoreTask `json:"task"`
}

// NewCoreHandle renders the answer to a tools/call that became a task.
func NewCoreHandle(task *mcptasks.Task) *CoreHandle {
	return &CoreHandle{Task: NewCoreTask(task)}
}

// CoreList is the answer to tasks/list.
type CoreList struct {
	mcp.ResultBase
	Tasks      []*CoreTask `json:"tasks"`
	NextCursor string      `json:"nextCursor,omitempty"`
}

// NewCoreList renders a page of tasks.
func NewCoreList(page *mcptasks.Page) *CoreList {
	list := &CoreList{Tasks: make([]*CoreTask, len(page.Tasks)), NextCursor: page.Next}
	for i, task := range page.Tasks {
		list.Tasks[i] = NewCoreTask(task)
	}
	return list
}

// NewTaskResult renders the answer to tasks/result: the tool call's answer, with the task's
// id in its _meta. It returns an error if the stored result is invalid.
func NewTaskResult(taskID string, result json.RawMessage) (*CallResult, error) {
	answer, err := NewCallResult(result, false)
	if err != nil {
		return nil, err
	}
	answer.Meta = RelateTask(answer.Meta, taskID)
	return answer, nil
}

// RelateTask adds to _meta the id of the task that a message belongs to. It changes meta,
// or makes one if it is nil.
func RelateTask(meta mcp.Meta, taskID string) mcp.Meta {
	if meta == nil {
		meta = mcp.Meta{}
	}
	meta[metaRelatedTask] = map[string]any{"taskId": taskID}
	return meta
}

// CoreInitialize is the SDK's answer to initialize with the capability of tasks.
type CoreInitialize struct {
	*mcp.InitializeResult
	List bool // tasks/list is offered
}

// MarshalJSON adds capabilities.tasks, for which the SDK has no field.
func (r *CoreInitialize) MarshalJSON() ([]byte, error) {
	tasks := map[string]any{
		"cancel":   struct{}{},
		"requests": map[string]any{"tools": map[string]any{"call": struct{}{}}},
	}
	if r.List {
		tasks["list"] = struct{}{}
	}
	return marshalWith(r.InitializeResult, func(result map[string]json.RawMessage) (err error) {
		result["capabilities"], err = marshalWith(result["capabilities"], func(capabilities map[string]json.RawMessage) (err error) {
			capabilities["tasks"], err = json.Marshal(tasks)
			return err
		})
		return err
	})
}

// CoreTools is the SDK's answer to tools/list with each tool's task support.
type CoreTools struct {
	*mcp.ListToolsResult
	Support map[string]mcptasks.TaskSupport // by tool name; other tools forbid tasks
}

// MarshalJSON adds each tool's execution, for which the SDK has no field.
func (r *CoreTools) MarshalJSON() ([]byte, error) {
	return marshalWith(r.ListToolsResult, func(result map[string]json.RawMessage) error {
		var tools []json.RawMessage
		if err := json.Unmarshal(result["tools"], &tools); err != nil {
			return err
		}
		for i := range tools {
			support, ours := r.Support[r.Tools[i].Name]
			if !ours {
				continue
			}
			var err error
			tools[i], err = marshalWith(tools[i], func(tool map[string]json.RawMessage) (err error) {
				tool["execution"], err = json.Marshal(map[string]mcptasks.TaskSupport{"taskSupport": support})
				return err
			})
			if err != nil {
				return err
			}
		}
		var err error
		result["tools"], err = json.Marshal(tools)
		return err
	})
}

// marshalWith encodes v, which must encode as a JSON object, after change has changed its
// members.
func marshalWith(v any, change func(map[string]json.RawMessage) error) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	members := make(map[string]json.RawMessage)
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members == nil { // null
		members = make(map[string]json.RawMessage)
	}
	if err := change(members); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
