// Package mcpwire holds MCP's spelling of tasks, once for whoever speaks it. This
// file is the Tasks extension (SEP-2663, protocol 2026-07-28).
package mcpwire

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

const (
	// Extension is the name under which clients and servers declare tasks.
	Extension = "io.modelcontextprotocol/tasks"
	// ExtensionVersion is the first protocol version that has the extension.
	ExtensionVersion = "2026-07-28"

	MethodDiscover = "server/discover"
	MethodCall     = "tools/call"
	MethodGet      = "tasks/get"
	MethodUpdate   = "tasks/update"
	MethodCancel   = "tasks/cancel"
	MethodListen   = "subscriptions/listen"

	// NotificationTask carries a detailed task, see [NewNotification].
	NotificationTask = "notifications/tasks"
	// NotificationAcknowledged opens a subscription.
	NotificationAcknowledged = "notifications/subscriptions/acknowledged"

	resultTypeTask     = "task"
	resultTypeComplete = "complete"
)

// TaskParams are the params of tasks/get and tasks/cancel.
type TaskParams struct {
	mcp.ParamsBase
	TaskID string `json:"taskId"`
}

// UpdateParams are the params of tasks/update.
type UpdateParams struct {
	mcp.ParamsBase
	TaskID         string                     `json:"taskId"`
	InputResponses map[string]json.RawMessage `json:"inputResponses"`
}

// Task is a task as the extension writes it, flat in the result: the answer to a
// tools/call that became a task, or to tasks/get.
type Task struct {
	mcp.ResultBase
	ResultType     string          `json:"resultType,omitempty"` // none in a notification
	TaskID         string          `json:"taskId"`
	Status         mcptasks.Status `json:"status"`
	StatusMessage  string          `json:"statusMessage,omitempty"`
	CreatedAt      time.Time       `json:"createdAt"`
	LastUpdatedAt  time.Time       `json:"lastUpdatedAt"`
	TTLMs          *int64          `json:"ttlMs"` // null: unlimited
	PollIntervalMs int64           `json:"pollIntervalMs,omitempty"`
	Result         json.RawMessage `json:"result,omitempty"`
	Error          *jsonrpc.Error  `json:"error,omitempty"`

	InputRequests map[string]InputRequest `json:"inputRequests,omitempty"` // the open questions, by key
}

// InputRequest is a question as tasks/get tells of it.
type InputRequest struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// Ack is the empty answer to tasks/update and tasks/cancel.
type Ack struct {
	mcp.ResultBase
	ResultType string `json:"resultType"`
}

// NewAck returns the answer of a method that only acknowledges.
func NewAck() *Ack { return &Ack{ResultType: resultTypeComplete} }

// Handle renders the answer to a tools/call that became a task.
func Handle(task *mcptasks.Task) *Task {
	handle := render(task, resultTypeTask)
	handle.Result, handle.Error = nil, nil // a handle names the task; tasks/get tells how it ended
	return handle
}

// Detailed renders the answer to tasks/get. The result within it carries a
// resultType of its own, as it would have as an answer.
func Detailed(task *mcptasks.Task) *Task {
	detailed := render(task, resultTypeComplete)
	if task.Outcome != nil && task.Outcome.Result != nil {
		detailed.Result = withResultType(task.Outcome.Result)
	}
	if len(task.Questions) > 0 {
		detailed.InputRequests = make(map[string]InputRequest, len(task.Questions))
		for key, question := range task.Questions {
			detailed.InputRequests[key] = InputRequest{Method: question.Method, Params: question.Params}
		}
	}
	return detailed
}

// NewNotification renders the params of notifications/tasks: what tasks/get would
// answer, for the subscription of that request id.
func NewNotification(task *mcptasks.Task, subscription json.RawMessage) *Task {
	params := Detailed(task)
	params.ResultType = ""
	params.Meta = mcp.Meta{mcp.MetaKeySubscriptionID: subscription}
	return params
}

// Acknowledged are the SDK's params of notifications/subscriptions/acknowledged with
// the tasks that the subscription is for.
type Acknowledged struct {
	mcp.ParamsBase
	Notifications struct {
		mcp.NotificationSubscriptions
		TaskIDs []string `json:"taskIds"`
	} `json:"notifications"`
}

// NewAcknowledged adds the tasks to the SDK's params.
func NewAcknowledged(params *mcp.SubscriptionsAcknowledgedParams, taskIDs []string) *Acknowledged {
	a := &Acknowledged{}
	a.Meta = params.Meta
	a.Notifications.NotificationSubscriptions = params.Notifications
	a.Notifications.TaskIDs = taskIDs
	return a
}

func render(task *mcptasks.Task, resultType string) *Task {
	ttl := task.TTL.Milliseconds()
	t := &Task{
		ResultType:     resultType,
		TaskID:         task.ID,
		Status:         task.Status,
		StatusMessage:  task.StatusMessage,
		CreatedAt:      task.CreatedAt,
		LastUpdatedAt:  task.UpdatedAt,
		TTLMs:          &ttl,
		PollIntervalMs: task.PollInterval.Milliseconds(),
	}
	if task.Outcome != nil {
		t.Error = task.Outcome.Error
	}
	return t
}

// withResultType adds "resultType":"complete" to a stored result, which is an
// object without one; its bytes are otherwise passed on as they are.
func withResultType(result json.RawMessage) json.RawMessage {
	members, ok := bytes.CutPrefix(bytes.TrimSpace(result), []byte("{"))
	if !ok {
		return result
	}
	out := append(json.RawMessage(nil), `{"resultType":"complete"`...)
	if members = bytes.TrimSpace(members); !bytes.HasPrefix(members, []byte("}")) {
		out = append(out, ',')
	}
	return append(out, members...)
}

// CallResult is a tool's stored result as the answer to its own tools/call. It
// keeps the bytes of what it holds: decoded into the SDK's type, numbers would pass
// through float64.
type CallResult struct {
	mcp.ResultBase
	Content           json.RawMessage `json:"content"`
	StructuredContent json.RawMessage `json:"structuredContent,omitempty"`
	IsError           bool            `json:"isError,omitempty"`
	ResultType        string          `json:"resultType,omitempty"`
}

// NewCallResult reads a stored result. The answer gets a resultType where the
// protocol version has one.
func NewCallResult(result json.RawMessage, resultType bool) (*CallResult, error) {
	var answer CallResult
	decoder := json.NewDecoder(bytes.NewReader(result))
	decoder.UseNumber() // for _meta
	if err := decoder.Decode(&answer); err != nil {
		return nil, err
	}
	if resultType {
		answer.ResultType = resultTypeComplete
	}
	return &answer, nil
}
