package mcptasks

import "slices"

// Status is the state of a task, in MCP's words.
type Status string

// The five states of a task. The last three are terminal: a task keeps such a state, and
// its outcome, until it is deleted.
const (
	StatusWorking       Status = "working"
	StatusInputRequired Status = "input_required"
	StatusCompleted     Status = "completed"
	StatusFailed        Status = "failed"
	StatusCancelled     Status = "cancelled"
)

// transitions is the one table of legal moves. Each write of a status in a driver's SQL
// names the states that it may leave; storetest compares them with this table.
var transitions = map[Status][]Status{
	StatusWorking:       {StatusInputRequired, StatusCompleted, StatusFailed, StatusCancelled},
	StatusInputRequired: {StatusWorking, StatusCompleted, StatusFailed, StatusCancelled},
}

// Statuses returns all states, in the order in which a task may have them.
func Statuses() []Status {
	return []Status{StatusWorking, StatusInputRequired, StatusCompleted, StatusFailed, StatusCancelled}
}

// Terminal reports whether a task in this status has ended.
func (s Status) Terminal() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// CanBecome reports whether a task may move from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(transitions[s], next) }
