package store

import (
	"time"

	"github.com/mcptasks/mcptasks"
)

// Survey is the state of a database as a whole. Its figures are not of one moment: they
// are read one after the other.
type Survey struct {
	// Clock is the database's time, read at the survey's beginning.
	Clock time.Time

	// Connections are those of the database's server. Zero on SQLite.
	Connections Connections

	Nodes []NodeSeen

	// Tasks has the number of tasks in each status that is not terminal. A status without
	// tasks is absent.
	Tasks map[mcptasks.Status]int

	// Waiting are the jobs that wait for a worker, by queue and tool.
	Waiting []Waiting

	// Jobless are tasks that have not changed for a lease and that nothing would run:
	// working ones without a job that could run them, and ones that wait for input without
	// an open question. A sweep gives them a fresh job. At most 100.
	Jobless []string

	// Taskless are River jobs of ours that have not ended and that belong to no working
	// task, oldest first. The job, and the task that it names, must not have changed for a
	// minute: River settles a job a little after its run. At most 100.
	Taskless []Job
}

// Node is a process that works tasks.
type Node struct {
	ID     string
	Host   string
	Tools  []string
	Queues []string
}

// NodeSeen is a node that works tasks, or did until it died, as the database knows it.
type NodeSeen struct {
	Node
	HeartbeatAt time.Time     // of the last heartbeat, by the database's clock
	Silent      time.Duration // since the last heartbeat, by the database's clock
	Running     int           // jobs that River's table says are running there
}

// Connections are the connections to the database's server, of all programs.
type Connections struct {
	Used     int // by clients
	Max      int // max_connections
	Reserved int // those of Max that are reserved for superusers and the like
}

// Waiting counts the jobs of working tasks that a worker could fetch now.
type Waiting struct {
	Queue, Tool string
	Jobs        int
	Oldest      time.Duration // how long the oldest has waited, by the database's clock
}

// Job is a River job of ours, the task that it names and the node that holds it.
type Job struct {
	ID     int64
	TaskID string
	Node   string
}
