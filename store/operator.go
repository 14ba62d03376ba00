package store

import (
	"encoding/json"
	"time"

	"github.com/mcptasks/mcptasks"
)

// Query says which tasks an operator lists. A zero field does not restrict.
type Query struct {
	Owner          *mcptasks.Owner
	Status         mcptasks.Status
	Tool           string
	MinAge, MaxAge time.Duration // created at least, and at most, so long ago
}

// Shown is a task as an operator sees it.
type Shown struct {
	*mcptasks.Task
	Arguments             json.RawMessage // nil: none
	Queue                 string
	Attempts, MaxAttempts int // errors of the handler so far, and how many end the task
	Recoveries            int // deaths of its workers in a row
	RunSeq                int // how many runs have begun
	RunNode               string
	RunAt                 time.Time // when the last run began, zero if none has
	DeadlineAt            time.Time // zero: none
	JobID                 int64     // 0: none
	JobState              string    // River's; "" if there is no such job, or it names another task
	RetryOf               string    // the task that this one repeats, "" if it repeats none
	Questions             []ShownQuestion
	Steps                 []ShownStep
	Timeline              []TimedEvent
}

// ShownQuestion is a question of a task, open or not. An answered one without a Response
// has expired. It has no Method if its answer came before it was asked.
type ShownQuestion struct {
	Key, Method                     string
	Params, Response                json.RawMessage // nil: none
	AskedAt, DeadlineAt, AnsweredAt time.Time       // AnsweredAt is zero while it is open
}

// ShownStep is a recorded step. It has the run that recorded it, and the length of its
// result. Its times are by that node's clock.
type ShownStep struct {
	Key              string
	Node             string
	RunSeq           int
	BeganAt, EndedAt time.Time
	Bytes            int
}

// Event is an entry of a task's timeline. The timeline is for the operator: Detail may hold
// what no client is told.
type Event struct {
	Kind   string
	Node   string
	Detail string
}

// Kinds of [Event].
const (
	EventError     = "error"     // an attempt ended with an error; another follows, or it was the answer
	EventParked    = "parked"    // the run ended: the task waits for answers
	EventFailed    = "failed"    // the task failed: a panic, a time limit, a result that could not be kept
	EventRecovered = "recovered" // the node that ran the task died, or lost the job; it has a fresh one
	EventRepaired  = "repaired"  // the task did not agree with its job
	EventCancelled = "cancelled" // by an operator
)

// TimedEvent is an event as it was stored.
type TimedEvent struct {
	Event
	At     time.Time
	RunSeq int
}
