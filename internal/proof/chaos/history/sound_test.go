package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	taskA = "task-a"
	taskB = "task-b"
)

// sound returns the history of a run in which nothing went wrong: a task of two
// steps that changed hands after a kill, one that asked and was answered, one that
// was cancelled, and one that failed as its tool does.
func sound() *History {
	h := &History{HeartbeatInterval: time.Second, Nodes: 2, Tables: Tables{
		Tasks: map[string]TaskRow{}, Steps: map[string]map[string]string{}, Inputs: map[string]map[string]string{},
	}}
	h.workedTask()
	h.askedTask()
	h.cancelledTask()
	h.end("task-doomed", Doomed, "failed", `{"code":-32602,"message":"doomed"}`)
	h.call("task-doomed", &Call{Tool: Doomed, N: "n"}, at(1), at(2))
	h.readOut("task-doomed", at(50))
	for i, id := range []string{taskA, "nobody's"} {
		h.Requests = append(h.Requests, &Request{
			Op: OpGet, Owner: "eve", Task: id, Foreign: true, Sent: at(20 + i), Acked: at(21 + i),
			Body: []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"task not found"}}`),
		})
	}
	return h
}

// workedTask: run 1 of worker-0 records the first step and is killed; run 2 of
// worker-1 does the second.
func (h *History) workedTask() {
	h.call(taskA, &Call{Tool: Steps, N: "n", Steps: 2}, at(1), at(2))
	h.claim(taskA, "run-1", 1, 11, 100, at(3))
	h.step(taskA, "run-1", 100, StepKey(0), "one", at(4))
	h.Faults = append(h.Faults, Fault{Kind: Kill, Node: "worker-0", PID: 100, From: at(8), To: at(9)})
	h.Tables.Events = append(h.Tables.Events, EventRow{Task: taskA, Kind: "recovered", Detail: "node worker-1 of job 11 died", At: at(11)})
	h.claim(taskA, "run-2", 2, 12, 200, at(12))
	h.observe(Observation{At: at(13), PID: 200, Kind: Recorded, Task: taskA, Run: "run-2", Key: StepKey(0), Value: "one"})
	h.step(taskA, "run-2", 200, StepKey(1), "two", at(14))
	h.write(taskA, "run-2", 200, "outcome", "", at(18), true)
	h.end(taskA, Steps, "completed", result(Output{N: "n", Values: map[string]string{StepKey(0): "one", StepKey(1): "two"}}))
	h.read(taskA, 0, at(6), "working")
	h.readOut(taskA, at(50))
}

func (h *History) askedTask() {
	h.call(taskB, &Call{Tool: Ask, N: "n"}, at(1), at(2))
	h.claim(taskB, "run-3", 1, 13, 200, at(3))
	h.read(taskB, 0, at(4), "input_required", "confirm")
	h.update(taskB, 1, at(6), map[string]string{"confirm": "yes"})
	h.read(taskB, 0, at(8), "working")
	values := map[string]string{"before": "b", "between": "w", "after": "a"}
	answers := map[string]string{"confirm": "yes", "left": "l", "right": "r"}
	h.update(taskB, 1, at(10), map[string]string{"left": "l", "right": "r"})
	h.end(taskB, Ask, "completed", result(Output{N: "n", Values: values, Answers: answers}))
	h.Tables.Steps[taskB], h.Tables.Inputs[taskB] = values, answers
	h.readOut(taskB, at(50))
}

func (h *History) cancelledTask() {
	const id = "task-c"
	h.call(id, &Call{Tool: Steps, N: "n", Steps: 1}, at(1), at(2))
	h.claim(id, "run-4", 1, 14, 200, at(3))
	h.Requests = append(h.Requests, &Request{Op: OpCancel, Owner: "ann", Task: id, Sent: at(5), Acked: at(6), Body: ack})
	h.observe(Observation{At: at(7), PID: 200, Kind: CtxEnded, Task: id, Run: "run-4", Value: "task was cancelled"})
	h.write(id, "run-4", 200, "step", StepKey(0), at(8), false)
	h.observe(Observation{At: at(9), PID: 200, Kind: Returned, Task: id, Run: "run-4", Value: "task was cancelled"})
	h.end(id, Steps, "cancelled", "")
	h.readOut(id, at(50))
}

var ack = []byte(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}`)

// at is a moment of the synthetic run, in steps of ten milliseconds.
func at(n int) int64 { return int64(n) * (10 * time.Millisecond).Nanoseconds() }

func result(out Output) string {
	data, _ := json.Marshal(map[string]any{"content": []any{}, "structuredContent": out})
	return string(data)
}

func (h *History) call(id string, call *Call, sent, acked int64) {
	h.Requests = append(h.Requests, &Request{
		Op: OpCall, Owner: "ann", Task: id, Call: call, Sent: sent, Acked: acked,
		Body: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":%q,"status":"working"}}`, id),
	})
}

func (h *History) observe(w Observation) { h.Observations = append(h.Observations, w) }

func (h *History) claim(id, token string, seq int, job int64, pid int, when int64) {
	h.observe(Observation{At: when, PID: pid, Kind: Claimed, Task: id, Run: token, Seq: seq, Job: job})
	h.observe(Observation{At: when + 1, PID: pid, Kind: Began, Task: id, Run: token})
}

// step is a step that runs at when, is written one unit and known two units later.
func (h *History) step(id, token string, pid int, key, value string, when int64) {
	h.observe(Observation{At: when, PID: pid, Kind: StepRan, Task: id, Run: token, Key: key})
	h.write(id, token, pid, "step", key, when+at(1), true)
	h.observe(Observation{At: when + at(2), PID: pid, Kind: Recorded, Task: id, Run: token, Key: key, Value: value})
	if h.Tables.Steps[id] == nil {
		h.Tables.Steps[id] = make(map[string]string)
	}
	h.Tables.Steps[id][key] = value
}

func (h *History) write(id, token string, pid int, op, key string, sent int64, held bool) {
	h.observe(Observation{At: sent + 1, Sent: sent, PID: pid, Kind: Wrote, Op: op, Key: key, Task: id, Run: token, Held: held})
}

func (h *History) end(id, tool, status, outcome string) {
	h.Tables.Tasks[id] = TaskRow{Owner: "ann", Tool: tool, Status: status, Outcome: json.RawMessage(outcome)}
}

func (h *History) update(id string, node int, sent int64, answers map[string]string) {
	h.Requests = append(h.Requests, &Request{Op: OpUpdate, Node: node, Owner: "ann", Task: id, Answers: answers, Sent: sent, Acked: sent + at(1), Body: ack})
}

func (h *History) read(id string, node int, sent int64, status string, questions ...string) *Request {
	asked := make(map[string]any)
	for _, key := range questions {
		asked[key] = map[string]any{"method": "elicitation/create"}
	}
	view := map[string]any{"taskId": id, "status": status, "inputRequests": asked}
	if row := h.Tables.Tasks[id]; status == "completed" && row.Status == "completed" {
		view["result"] = json.RawMessage(strings.Replace(string(row.Outcome), "{", `{"resultType":"complete",`, 1))
	}
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "result": view})
	r := &Request{Op: OpGet, Node: node, Owner: "ann", Task: id, Sent: sent, Acked: sent + at(1), Body: body}
	h.Requests = append(h.Requests, r)
	return r
}

// readOut reads what the table says from both nodes, a last time.
func (h *History) readOut(id string, sent int64) {
	for node := range h.Nodes {
		h.read(id, node, sent+at(node), h.Tables.Tasks[id].Status).Final = true
	}
}
