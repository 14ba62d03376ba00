// Package store has what a program and an operator name of the database: the driver that
// [github.com/mcptasks/mcptasks/runner.New] takes, and what an operator reads. Its
// subpackages postgres and sqlite make drivers. Importing one of them, if only for its
// side effect, lets runner.Open open URLs of that database.
//
// The rules and the SQL are internal. The set of databases is closed: a [Driver] has
// methods that only this module can name, and which change without notice.
package store

import (
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// Driver is a database on the program's own pool, made by store/postgres.New or
// store/sqlite.New. TTx is the type of its transactions: pgx.Tx or *sql.Tx.
type Driver[TTx any] = driver.Driver[TTx]

// What an operator asks for and reads.
type (
	Query         = taskstore.Query
	Survey        = taskstore.Survey
	Shown         = driver.Shown
	ShownQuestion = driver.ShownQuestion
	ShownStep     = driver.ShownStep
	TimedEvent    = driver.TimedEvent
	Event         = driver.Event
	Node          = driver.Node
	NodeSeen      = driver.NodeSeen
	Connections   = driver.Connections
	Waiting       = driver.Waiting
	Job           = driver.Job
)

// Kinds of [Event].
const (
	EventError     = driver.EventError     // an attempt ended with an error; another follows, or it was the answer
	EventParked    = driver.EventParked    // the run ended: the task waits for answers
	EventFailed    = driver.EventFailed    // the task failed: a panic, a time limit, a result that could not be kept
	EventRecovered = driver.EventRecovered // the node that ran the task died, or lost the job; it has a fresh one
	EventRepaired  = driver.EventRepaired  // the task did not agree with its job
	EventCancelled = driver.EventCancelled // by an operator
)
