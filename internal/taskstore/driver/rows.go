package driver

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks"
)

// This file is what goes in and out of a [Driver].

// Name is a task's id and whose it is.
type Name struct {
	Owner mcptasks.Owner
	ID    string
}

// Row is a task to insert.
type Row struct {
	mcptasks.Task
	Queue          string
	Priority       int
	Arguments      json.RawMessage
	RequestMeta    json.RawMessage
	MaxAttempts    int
	RunTimeout     time.Duration
	DeadlineAt     time.Time // zero: none
	Responses      map[string]json.RawMessage
	IdempotencyKey string // "": none
	ArgsHash       []byte
	RetryOf        string // "": of none
	TraceContext   string // "": none
}

// Fence names a run: a write under it changes nothing once the task has gone to
// another run, or ended.
type Fence struct {
	TaskID   string
	JobID    int64
	RunToken string
}

// Claimed is a task whose run has just begun.
type Claimed struct {
	Fence
	Owner        mcptasks.Owner
	Tool         string
	Arguments    json.RawMessage
	RequestMeta  json.RawMessage
	TraceContext string // "": none
	RunSeq       int
	Attempts     int // errors of the handler so far
	MaxAttempts  int
	RunTimeout   time.Duration
	DeadlineAt   time.Time // zero: none
	Answered     bool      // the client answered questions before the first run
	Recorded
}

// Recorded is what earlier runs of a task recorded, by key.
type Recorded struct {
	Steps     map[string]json.RawMessage
	Questions map[string]mcptasks.Question
}

// Progress is how far a run has come.
type Progress struct {
	Done, Total float64 // Total is 0 if it is not known
	Message     string
}

// StatusMessage returns what a client reads: the message, or else done/total.
func (p Progress) StatusMessage() string {
	switch {
	case p.Message != "":
		return p.Message
	case p.Total > 0:
		return fmt.Sprintf("%g/%g", p.Done, p.Total)
	default:
		return fmt.Sprintf("%g", p.Done)
	}
}

// Report is the progress of a run.
type Report struct {
	Fence
	Progress
	Message string
}

// Step is the result of a step, and when its work began and ended.
type Step struct {
	Fence
	Key              string
	Result           json.RawMessage
	BeganAt, EndedAt time.Time
}

// Asked is a question a run asks.
type Asked struct {
	Key        string
	Method     string
	Params     json.RawMessage
	DeadlineAt time.Time
}

// FailedAttempt is the error of an attempt that another one follows.
type FailedAttempt struct {
	Fence
	Message      string
	TraceContext string // of the next run; "": as before
	Event        Event
}

// Finish is the end of a task. Its fence but for the task's id is not looked at
// by End.
type Finish struct {
	Fence
	Status  mcptasks.Status
	Message string
	Outcome json.RawMessage // the result, or the JSON-RPC error; nil for a cancelled task
	IsError bool
	Event   Event // none if its Kind is empty
}

// Locked is a task that is locked by the caller's transaction.
type Locked struct {
	mcptasks.Task // without outcome and questions
	Queue         string
	Priority      int
	Arguments     json.RawMessage
	RequestMeta   json.RawMessage
	TraceContext  string // "": none
	JobID         int64  // 0: none
	Running       bool   // a run has claimed it
	Recoveries    int
	MaxAttempts   int
	RunTimeout    time.Duration
	DeadlineAt    time.Time // zero: none
}

// Filter says which tasks to list. Zero fields do not restrict.
type Filter struct {
	Owner    mcptasks.Owner
	AnyOwner bool // Owner is not looked at
	Status   mcptasks.Status
	Tool     string
	Before   string // the ids are less than this
	From     string // the ids are not less than this
	Limit    int
}
