// Package history is what a chaos run leaves behind, and the checker that holds it
// to the invariants: what clients asked and were answered, what handlers and their
// drivers recordWrites, what was done to the processes, and the tables at the end.
//
// Times are nanoseconds of one machine's clock.
package history

import (
	"encoding/json"
	"time"
)

// History is one run.
type History struct {
	HeartbeatInterval time.Duration
	Nodes             int // serving nodes, 0 and up
	Requests          []*Request
	Observations      []Observation
	Faults            []Fault
	Tables            Tables
}

// Ops of requests.
const (
	OpCall   = "tools/call"
	OpGet    = "tasks/get"
	OpUpdate = "tasks/update"
	OpCancel = "tasks/cancel"
)

// Request is what a client asked of a serving node and what came back.
type Request struct {
	Op      string
	Node    int
	Owner   string
	Task    string            // of a call: the handle's id
	Call    *Call             // of a call
	Answers map[string]string // of an update
	Foreign bool              // the task is another owner's, or nobody's
	Final   bool              // read after everything had come to rest
	Sent    int64
	Acked   int64
	Failed  string // why there is no answer; nothing is known of the request's effect then
	Body    []byte // the HTTP body
	reply   *reply
}

// Call is what a client called: Steps and Ms shape the work, and N comes back.
type Call struct {
	Tool  string `json:"-"`
	N     string `json:"n"`
	Steps int    `json:"steps"`
	Ms    int    `json:"ms"`
}

// Output is what a tool of the run returns.
type Output struct {
	N       string            `json:"n"`
	Values  map[string]string `json:"values"`
	Answers map[string]string `json:"answers"`
}

// reply is a request's body, decoded as far as the checker looks into it.
type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	task view
}

// view is a task as a client sees it.
type view struct {
	TaskID        string                     `json:"taskId"`
	Status        string                     `json:"status"`
	Result        json.RawMessage            `json:"result"`
	InputRequests map[string]json.RawMessage `json:"inputRequests"`
}

const internalError = -32603

// View returns the id, the status and the open questions that a reply told.
func (r *Request) View() (id, status string, questions []string) {
	if !r.OK() {
		return "", "", nil
	}
	task := r.decode().task
	for key := range task.InputRequests {
		questions = append(questions, key)
	}
	return task.TaskID, task.Status, questions
}

// OK says whether the request was answered with a result.
func (r *Request) OK() bool {
	reply := r.decode()
	return r.Failed == "" && reply.Error == nil
}

// decode decodes the body once; what is none counts as no answer.
func (r *Request) decode() *reply {
	if r.reply != nil {
		return r.reply
	}
	r.reply = &reply{}
	if r.Failed != "" {
		return r.reply
	}
	if err := json.Unmarshal(r.Body, r.reply); err != nil {
		r.Failed = "the answer is not JSON: " + err.Error()
	} else if r.reply.Error == nil && r.reply.Result == nil {
		r.Failed = "the answer holds neither a result nor an error"
	}
	_ = json.Unmarshal(r.reply.Result, &r.reply.task) // an acknowledgement has none of it
	return r.reply
}

func terminal(status string) bool {
	return status == "completed" || status == "failed" || status == "cancelled"
}

// Kinds of faults.
const (
	Kill      = "kill"      // SIGKILL
	Died      = "died"      // nobody ended the process; it is dead all the same
	Freeze    = "freeze"    // SIGSTOP, then SIGCONT
	Restart   = "restart"   // SIGTERM and a new process
	Outage    = "outage"    // nobody reaches the database
	Crash     = "crash"     // the database restarts, fast or immediately
	Terminate = "terminate" // a node's connections are terminated by the database
	Drop      = "drop"      // a reply of the database is lost, with its connection
	DropFetch = "fetch"     // the same of a reply that brought jobs
)

// Fault is something that was done to a process, or with no node to the database.
type Fault struct {
	Kind     string
	Node     string
	PID      int
	From, To int64
}

// Tables are the database at the end.
type Tables struct {
	Tasks  map[string]TaskRow
	Steps  map[string]map[string]string // by task and key
	Inputs map[string]map[string]string // responses by task and key
	Events []EventRow
	// Running is how many jobs River still held to be running when every task had
	// ended and the nodes had had time to see to them.
	Running int
}

// TaskRow is a row of mcp_task.
type TaskRow struct {
	Owner, Tool, Status, Message string
	Outcome                      json.RawMessage
}

// EventRow is a row of mcp_task_event.
type EventRow struct {
	Task, Kind, Detail string
	At                 int64
}
