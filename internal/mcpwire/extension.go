// Package mcpwire reads and writes the JSON of MCP's tasks. Servers and clients share it.
//
// It knows both task protocols: the Tasks extension (SEP-2663, protocol 2026-07-28) and the
// tasks of protocol 2025-11-25. It knows their methods, params, results and errors, how a
// request says which of the two it belongs to, and how a header carries a task's id. It has
// the one strict JSON reader. It does not know connections, sessions or streams, how tasks
// are stored, or who owns them.
package mcpwire

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// This file has the Tasks extension.

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

	// NotificationTask carries a task, see [NewNotification].
	NotificationTask = "notifications/tasks"
	// NotificationAcknowledged is the first notification of a subscription.
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

// Task is a task as the extension writes it: the task's members are members of the result.
// It is the answer to tasks/get, and to a tools/call that became a task.
type Task struct {
	mcp.ResultBase
	ResultType     string          `json:"resultType,omitempty"` // empty in a notification
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

// InputRequest is an open question in the answer to tasks/get.
type InputRequest struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// Ack is the empty answer to tasks/update and tasks/cancel.
type Ack struct {
	mcp.ResultBase
	ResultType string `json:"resultType"`
}

// NewAck returns the empty answer.
func NewAck() *Ack { return &Ack{ResultType: resultTypeComplete} }

// Handle renders the answer to a tools/call that became a task.
func Handle(task *mcptasks.Task) *Task {
	handle := render(task, resultTypeTask)
	handle.Result, handle.Error = nil, nil // a handle only names the task; tasks/get returns the outcome
	return handle
}

// Detailed renders the answer to tasks/get. The tool's result in it has a resultType of its
// own, as in the answer to a tools/call.
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

// NewNotification renders the params of notifications/tasks: the answer to tasks/get, with
// the request id of the subscription in its _meta.
func NewNotification(task *mcptasks.Task, subscription json.RawMessage) *Task {
	params := Detailed(task)
	params.ResultType = ""
	params.Meta = mcp.Meta{mcp.MetaKeySubscriptionID: subscription}
	return params
}

// Acknowledged are the SDK's params of notifications/subscriptions/acknowledged with the
// ids of the tasks that the client subscribes to.
type Acknowledged struct {
	mcp.ParamsBase
	Notifications struct {
		mcp.NotificationSubscriptions
		TaskIDs []string `json:"taskIds"`
	} `json:"notifications"`
}

// NewAcknowledged adds the task ids to the SDK's params.
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

// withResultType adds "resultType":"complete" to a stored result, which is an object
// without that member. It does not change the other bytes.
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

// CallResult is a tool's stored result as the answer to its tools/call. Its members stay
// JSON: decoded into the SDK's type, numbers would become float64.
type CallResult struct {
	mcp.ResultBase
	Content           json.RawMessage `json:"content"`
	StructuredContent json.RawMessage `json:"structuredContent,omitempty"`
	IsError           bool            `json:"isError,omitempty"`
	ResultType        string          `json:"resultType,omitempty"`
}

// NewCallResult reads a stored result. resultType says whether the answer has a resultType,
// which 2025-11-25 does not know.
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
