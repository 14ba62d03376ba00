// Package history has the record of a chaos run, and checks it against the invariants. The
// record has the clients' requests and answers, the observations of handlers and drivers,
// the faults, and the tables at the end.
//
// Times are Unix times in nanoseconds, of one machine's clock.
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

// Request is a client's request to a serving node, and its answer.
type Request struct {
	Op      string
	Node    int
	Owner   string
	Task    string            // of a call: the handle's id
	Call    *Call             // of a call
	Answers map[string]string // of an update
	Foreign bool              // the task is another owner's, or does not exist
	Final   bool              // read after all tasks had ended
	Sent    int64
	Acked   int64
	Failed  string // why there is no answer; the request may have had its effect
	Body    []byte // the HTTP body
	reply   *reply
}

// Call is a tool call. Steps and Ms determine the work, and the result repeats N.
type Call struct {
	Tool  string `json:"-"`
	N     string `json:"n"`
	Steps int    `json:"steps"`
	Ms    int    `json:"ms"`
}

// Output is the output of a tool.
type Output struct {
	N       string            `json:"n"`
	Values  map[string]string `json:"values"`
	Answers map[string]string `json:"answers"`
}

// reply is the part of an answer's body that the checker reads.
type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	task view
}

// view is a task in an answer.
type view struct {
	TaskID        string                     `json:"taskId"`
	Status        string                     `json:"status"`
	Result        json.RawMessage            `json:"result"`
	InputRequests map[string]json.RawMessage `json:"inputRequests"`
}

const internalError = -32603

// View returns the task's id, status and pending questions in the answer.
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

// OK reports whether the answer is a result.
func (r *Request) OK() bool {
	reply := r.decode()
	return r.Failed == "" && reply.Error == nil
}

// decode decodes the body once. A body that is not JSON-RPC counts as no answer.
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
	_ = json.Unmarshal(r.reply.Result, &r.reply.task) // an acknowledgement has no task
	return r.reply
}

func terminal(status string) bool {
	return status == "completed" || status == "failed" || status == "cancelled"
}

// Kinds of faults.
const (
	Kill      = "kill"      // SIGKILL
	Died      = "died"      // the process ended without a fault
	Freeze    = "freeze"    // SIGSTOP, then SIGCONT
	Restart   = "restart"   // SIGTERM and a new process
	Outage    = "outage"    // the database is unreachable
	Crash     = "crash"     // the database restarts, fast or immediately
	Terminate = "terminate" // a node's connections are terminated by the database
	Drop      = "drop"      // a reply of the database is lost, with its connection
	DropFetch = "fetch"     // the same of a reply that brought jobs
)

// Fault is a fault of a process, or of the database if Node is empty.
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
	// Running is the number of jobs that were still running in River's table after
	// every task had ended and the nodes had had time to settle them.
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
