package history

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestASoundHistoryHasNoViolation(t *testing.T) {
	for _, v := range Check(sound()) {
		t.Error(v)
	}
}

// Each planted violation is found, as one of the invariant that it breaks.
func TestPlantedViolationsAreFound(t *testing.T) {
	row := func(h *History, id string, change func(*TaskRow)) {
		r := h.Tables.Tasks[id]
		change(&r)
		h.Tables.Tasks[id] = r
	}
	for name, plant := range map[string]struct {
		invariant int
		what      string
		plant     func(*History)
	}{
		"a task is gone from the table": {1, "the table has no such task", func(h *History) {
			h.call("task-gone", &Call{Tool: Quick, N: "n"}, at(1), at(2))
		}},
		"a node does not find a task": {1, "task not found", func(h *History) {
			h.read(taskA, 1, at(30), "").Body = []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"task not found"}}`)
		}},
		"a node gave no last answer": {1, "did not answer the last read", func(h *History) {
			for _, r := range h.Requests {
				if r.Task == taskA && r.Node == 1 {
					r.Failed = "connection refused"
				}
			}
		}},
		"two reads of an end differ": {2, "two reads differ", func(h *History) {
			h.read(taskA, 1, at(55), "completed").Body = []byte(`{"result":{"taskId":"task-a","status":"completed","result":{"other":1}}}`)
		}},
		"an end is taken back": {2, "it had ended", func(h *History) { h.read(taskA, 1, at(60), "working") }},
		"the table has another end": {2, "the table says failed", func(h *History) {
			row(h, taskA, func(r *TaskRow) { r.Status, r.Outcome = "failed", json.RawMessage(`{}`) })
		}},
		"the table has another result": {2, "the table has", func(h *History) {
			row(h, taskB, func(r *TaskRow) { r.Outcome = json.RawMessage(strings.Replace(string(r.Outcome), `"yes"`, `"no"`, 1)) })
		}},
		"a result is another call's": {2, "was called with", func(h *History) { h.Requests[0].Call.N = "m" }},
		"a task is stuck": {3, "still working", func(h *History) {
			h.end("task-stuck", Steps, "working", "")
		}},
		"a task failed": {3, "failed", func(h *History) {
			h.end("task-poison", Plain, "failed", `{"message":"The tool's process died 4 times in a row."}`)
		}},
		"nobody cancelled": {3, "no client cancelled it", func(h *History) {
			h.end("task-cancelled", Plain, "cancelled", "")
		}},
		"no question is open": {3, "with no pending question", func(h *History) { h.read(taskB, 0, at(9), "input_required") }},
		"a wait without a question was repaired": {3, "no pending question", func(h *History) {
			h.Tables.Events = append(h.Tables.Events, EventRow{Task: taskB, Kind: "repaired", Detail: "no question was open"})
		}},
		"a node reaped right after an outage": {3, "after an outage", func(h *History) {
			h.Faults = append(h.Faults, Fault{Kind: Outage, From: at(11) - 5e9, To: at(11) - 1e9})
		}},
		"a recovery has an unknown reason": {3, "a reason that is unknown", func(h *History) {
			h.Tables.Events = append(h.Tables.Events, EventRow{Task: taskB, Kind: "recovered", Detail: "it was stuck", At: at(20)})
		}},
		"a living node lost a task": {3, "which was alive", func(h *History) {
			h.Tables.Events = append(h.Tables.Events, EventRow{Task: taskB, Kind: "recovered", Detail: "node worker-1 of job 13 died", At: at(20)})
		}},
		"a stale run's outcome is accepted": {4, "had the task since", func(h *History) {
			h.write(taskA, "run-1", 100, "outcome", "", at(13), true)
		}},
		"a cancelled task's run wrote": {4, "it was cancelled at", func(h *History) {
			h.write("task-c", "run-4", 200, "step", "late", at(8), true)
		}},
		"a recorded step ran again": {5, "ran again", func(h *History) {
			h.observe(Observation{At: at(13), PID: 200, Kind: StepRan, Task: taskA, Run: "run-2", Key: StepKey(0)})
		}},
		"a recorded step ran again in its own run": {5, "ran again", func(h *History) {
			h.observe(Observation{At: at(7), PID: 100, Kind: StepRan, Task: taskA, Run: "run-1", Key: StepKey(0)})
		}},
		"a run that lost its task went on for long": {5, "ran again", func(h *History) {
			h.Faults = nil
			h.observe(Observation{At: at(3000), PID: 100, Kind: StepRan, Task: taskA, Run: "run-1", Key: StepKey(1)})
		}},
		"two runs saw two values": {5, "is one for the run", func(h *History) {
			h.observe(Observation{At: at(15), PID: 200, Kind: Recorded, Task: taskA, Run: "run-2", Key: StepKey(0), Value: "other"})
		}},
		"a recorded step is lost": {5, "the table has", func(h *History) { delete(h.Tables.Steps[taskA], StepKey(1)) }},
		"a result lacks a step": {5, "lacks the step", func(h *History) {
			h.Requests[0].Call.Steps = 3
		}},
		"an answered question is still asked": {6, "still had the question", func(h *History) {
			h.read(taskB, 0, at(9), "input_required", "confirm")
		}},
		"an answer is lost": {6, "was acknowledged at", func(h *History) {
			h.update(taskB, 0, at(20), map[string]string{"confirm": "no"})
			h.Tables.Inputs[taskB]["confirm"] = "no"
		}},
		"an answer is nobody's": {6, "which no client answered", func(h *History) {
			h.Tables.Inputs[taskB]["left"] = "x"
		}},
		"an acknowledged cancellation is not seen": {6, "said working", func(h *History) {
			h.read("task-c", 1, at(8), "working")
		}},
		"a run does not hear of its cancellation": {7, "was not told of it", func(h *History) {
			h.call("task-deaf", &Call{Tool: Plain, N: "n"}, at(1), at(2))
			h.claim("task-deaf", "run-9", 1, 19, 300, at(3))
			h.Requests = append(h.Requests, &Request{Op: OpCancel, Owner: "ann", Task: "task-deaf", Sent: at(5), Acked: at(6), Body: ack})
			h.end("task-deaf", Plain, "cancelled", "")
			h.readOut("task-deaf", at(50))
		}},
		"an attempt was counted twice": {4, "errors were counted", func(h *History) {
			h.call("task-flaky", &Call{Tool: Flaky, N: "n", Steps: 1}, at(1), at(2))
			h.end("task-flaky", Flaky, "completed", result(Output{N: "n"}))
			h.Tables.Events = append(h.Tables.Events, EventRow{Task: "task-flaky", Kind: "error", Detail: "attempt 1 fails"})
		}},
		"a job is nobody's": {10, "still running in River's table", func(h *History) { h.Tables.Running = 1 }},
		"another's task can be told apart": {9, "have different answers", func(h *History) {
			h.Requests[len(h.Requests)-1].Body = []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not yours"}}`)
		}},
		"another reads a task": {9, "who does not own it", func(h *History) {
			h.Requests[len(h.Requests)-1].Body = ack
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := sound()
			plant.plant(h)
			found := Check(h)
			for _, v := range found {
				if v.Invariant == plant.invariant && strings.Contains(v.What, plant.what) {
					return
				}
			}
			t.Errorf("not found among %d violations: %v", len(found), found)
		})
	}
}

// What an unlucky process may do is no violation.
func TestWhatIsAllowed(t *testing.T) {
	for name, plant := range map[string]func(*History){
		"a run that has just lost its task begins a step": func(h *History) {
			h.observe(Observation{At: at(17), PID: 100, Kind: StepRan, Task: taskA, Run: "run-1", Key: StepKey(1)})
		},
		"a frozen run goes on when it thaws": func(h *History) {
			h.Faults = append(h.Faults, Fault{Kind: Freeze, PID: 100, From: at(7), To: at(3000)})
			h.observe(Observation{At: at(3001), PID: 100, Kind: StepRan, Task: taskA, Run: "run-1", Key: StepKey(1)})
		},
		"a run that was killed does not hear of a cancellation": func(h *History) {
			h.Observations = slices.DeleteFunc(h.Observations, func(w Observation) bool { return w.Kind == CtxEnded || w.Kind == Returned })
			h.Faults = append(h.Faults, Fault{Kind: Kill, PID: 200, From: at(3) + 5, To: at(4)})
		},
		"a stale write is refused": func(h *History) {
			h.write(taskA, "run-1", 100, "outcome", "", at(13), false)
		},
		"a call's reply is lost": func(h *History) {
			h.Requests = append(h.Requests, &Request{Op: OpCall, Owner: "ann", Call: &Call{Tool: Quick}, Failed: "EOF"})
			h.end("task-orphan", Quick, "completed", result(Output{N: "x"}))
		},
		"the database was away from another's read": func(h *History) {
			h.Requests[len(h.Requests)-1].Body = []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal error"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := sound()
			plant(h)
			for _, v := range Check(h) {
				t.Error(v)
			}
		})
	}
}
