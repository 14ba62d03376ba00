// Package telemetry has the spans and metrics that mcptasks reports to OpenTelemetry, and
// the audit log. It alone knows their names. It knows OpenTelemetry's API and no SDK: a
// program that collects them brings one. It knows no other package of this module.
//
// The names of spans, attributes, metrics and labels are as stable as the module's public
// API.
package telemetry

// Scope is the instrumentation scope of every span and metric.
const Scope = "github.com/mcptasks/mcptasks"

// Kind is the kind of an instrument.
type Kind string

// Kinds of instruments.
const (
	KindCounter   Kind = "counter"
	KindUpDown    Kind = "up-down counter"
	KindHistogram Kind = "histogram"
	KindGauge     Kind = "gauge"
)

// Labels of metrics. Each label has few values: none is an id, a key or an owner.
const (
	labelTool    = "tool"
	labelQueue   = "queue"
	labelOutcome = "outcome"
	labelKind    = "kind"
	labelOp      = "op"
)

// Metric describes a metric.
type Metric struct {
	Name    string
	Kind    Kind
	Unit    string // UCUM: s for seconds, {task} for a count of tasks
	Labels  []string
	Meaning string
	buckets []float64 // of a histogram
}

// Bucket boundaries, in seconds; those of rows are numbers of rows.
var (
	waits = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600}
	quick = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	rows  = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

var (
	taskCreates = Metric{
		Name: "mcptasks.task.creates", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelQueue},
		Meaning: "Tasks created. A task created in a transaction of the program counts before that transaction commits.",
	}
	taskFinishes = Metric{
		Name: "mcptasks.task.finishes", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelOutcome},
		Meaning: "Tasks that ended, by outcome: completed, error (completed with a result that is an error), failed, cancelled.",
	}
	taskRetries = Metric{
		Name: "mcptasks.task.retries", Kind: KindCounter, Unit: "{run}", Labels: []string{labelTool},
		Meaning: "Runs that ended with an error and are followed by another attempt.",
	}
	taskRecoveries = Metric{
		Name: "mcptasks.task.recoveries", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelKind},
		Meaning: "Tasks that got a fresh job because theirs was lost, by kind: death (its node died), fetch (a node fetched the job, and the reply was lost).",
	}
	taskCancels = Metric{
		Name: "mcptasks.task.cancels", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelKind},
		Meaning: "Tasks cancelled, by kind: owner, operator, job (the River job was cancelled).",
	}
	taskParks = Metric{
		Name: "mcptasks.task.parks", Kind: KindCounter, Unit: "{run}", Labels: []string{labelTool},
		Meaning: "Runs that ended because they asked a question. The task waits for the answer.",
	}
	tasks = Metric{
		Name: "mcptasks.tasks", Kind: KindGauge, Unit: "{task}", Labels: []string{labelKind},
		Meaning: "Tasks in the database that have not ended, by kind: working, input_required (parked). Every node reports the same number.",
	}
	nodes = Metric{
		Name: "mcptasks.nodes", Kind: KindGauge, Unit: "{node}",
		Meaning: "Nodes that run tasks and have sent a heartbeat within their lease. Every node reports the same number.",
	}
	queueBacklog = Metric{
		Name: "mcptasks.queue.backlog", Kind: KindGauge, Unit: "{job}", Labels: []string{labelQueue, labelTool},
		Meaning: "Jobs that are due and wait for a worker. Every node reports the same number.",
	}
	queueOldest = Metric{
		Name: "mcptasks.queue.oldest", Kind: KindGauge, Unit: "s", Labels: []string{labelQueue, labelTool},
		Meaning: "How long the oldest waiting job has been due. Every node reports the same number.",
	}
	queueWait = Metric{
		Name: "mcptasks.queue.wait", Kind: KindHistogram, Unit: "s", Labels: []string{labelTool, labelQueue}, buckets: waits,
		Meaning: "Time from when a job was due until a worker claimed its task. The two times are of two nodes' clocks.",
	}
	runDuration = Metric{
		Name: "mcptasks.run.duration", Kind: KindHistogram, Unit: "s", Labels: []string{labelTool, labelOutcome}, buckets: waits,
		Meaning: "One run of a handler, from its claim until its outcome was written, by outcome: completed, error, failed, retried, parked, snoozed, cancelled, interrupted (the node stopped), lost (another run had the task by then).",
	}
	runActive = Metric{
		Name: "mcptasks.run.active", Kind: KindUpDown, Unit: "{run}", Labels: []string{labelTool},
		Meaning: "Runs in progress in this process.",
	}
	cancelLatency = Metric{
		Name: "mcptasks.cancel.latency", Kind: KindHistogram, Unit: "s", Labels: []string{labelTool}, buckets: quick,
		Meaning: "Time from a task's cancellation to the end of its handler's context. The two times are of two nodes' clocks. Only cancellations of a running task count.",
	}
	sweeps = Metric{
		Name: "mcptasks.sweep.tasks", Kind: KindCounter, Unit: "{task}", Labels: []string{labelKind},
		Meaning: "Tasks that this node's maintenance loops changed, by kind: expired (deleted), overdue (failed at their deadline), unanswered (run again without the answer), repaired (disagreed with their job), reaped (their node died).",
	}
	storeDuration = Metric{
		Name: "mcptasks.store.duration", Kind: KindHistogram, Unit: "s", Labels: []string{labelOp, labelOutcome}, buckets: quick,
		Meaning: "Operations of the store, including the wait for a connection, by outcome: ok, rejected (no such task, invalid input, a limit), error. get, list, create, answer and cancel are requests. claim, progress, save_step, park, fail_attempt and finish belong to a run. heartbeat, check_runs, reap, sweep, notify (tells other nodes of changes) and survey belong to a node.",
	}
	storeBatch = Metric{
		Name: "mcptasks.store.batch", Kind: KindHistogram, Unit: "{row}", Labels: []string{labelOp}, buckets: rows,
		Meaning: "How many tasks one statement reads or writes.",
	}
)

// Catalog returns all metrics.
func Catalog() []Metric {
	return []Metric{
		taskCreates, taskFinishes, taskRetries, taskRecoveries, taskCancels, taskParks, tasks,
		queueWait, queueBacklog, queueOldest,
		runDuration, runActive, cancelLatency,
		nodes, sweeps, storeDuration, storeBatch,
	}
}
