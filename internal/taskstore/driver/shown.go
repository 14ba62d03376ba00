package driver

import (
	"encoding/json"
	"time"

	"github.com/mcptasks/mcptasks"
)

// This file is what a [Driver] reads for the operator.

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
	RetryOf               string    // "": of none
	Questions             []ShownQuestion
	Steps                 []ShownStep
	Timeline              []TimedEvent
}

// ShownQuestion is a question, whether it is open or not; an answered one without a
// Response has expired. It has no Method if its answer came before it was asked.
type ShownQuestion struct {
	Key, Method                     string
	Params, Response                json.RawMessage // nil: none
	AskedAt, DeadlineAt, AnsweredAt time.Time       // AnsweredAt is zero while it is open
}

// ShownStep is a recorded step, the run that recorded it, and how long its result is.
// Its times are by that node's clock.
type ShownStep struct {
	Key              string
	Node             string
	RunSeq           int
	BeganAt, EndedAt time.Time
	Bytes            int
}

// NodeSeen is a node that works tasks, or did until it died, as the database knows
// it.
type NodeSeen struct {
	Node
	BeatAt  time.Time     // by the database's clock
	Silent  time.Duration // since the last heartbeat, by the database's clock
	Running int           // jobs that are running there by River's table
}

// Connections are the connections to the database's server, of all programs.
type Connections struct {
	Used     int // by clients
	Max      int // max_connections
	Reserved int // those of Max that are kept for superusers and the like
}

// Waiting is the jobs of working tasks that a worker could fetch now.
type Waiting struct {
	Queue, Tool string
	Jobs        int
	Oldest      time.Duration // how long the oldest has waited, by the database's clock
}
