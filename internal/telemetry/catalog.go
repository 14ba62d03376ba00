// Package telemetry is what mcptasks tells OpenTelemetry, and the audit log: the
// names of spans, attributes and metrics are here and nowhere else. It knows
// OpenTelemetry's API alone; a program that wants to see any of it brings an SDK.
package telemetry

// Scope is the instrumentation scope of every span and metric.
const Scope = "github.com/mcptasks/mcptasks"

// Kind is a kind of instrument.
type Kind string

// Kinds of instruments.
const (
	KindCounter   Kind = "counter"
	KindUpDown    Kind = "up-down counter"
	KindHistogram Kind = "histogram"
	KindGauge     Kind = "gauge"
)

// Labels of metrics. Each has few values: a label never has an id, a key or an owner.
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
	buckets []float64 // a histogram's
}

// Buckets, in seconds but for rows.
var (
	waits = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600}
	quick = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	rows  = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

var (
	taskCreates = Metric{
		Name: "mcptasks.task.creates", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelQueue},
		Meaning: "Tasks created. One created in the program's own transaction counts when it is written, before that commits.",
	}
	taskFinishes = Metric{
		Name: "mcptasks.task.finishes", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelOutcome},
		Meaning: "Tasks that ended, by outcome: completed, error (completed with a result that is an error), failed, cancelled.",
	}
	taskRetries = Metric{
		Name: "mcptasks.task.retries", Kind: KindCounter, Unit: "{run}", Labels: []string{labelTool},
		Meaning: "Runs that ended with an error which another attempt follows.",
	}
	taskRecoveries = Metric{
		Name: "mcptasks.task.recoveries", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelKind},
		Meaning: "Tasks given a fresh job because theirs was lost, by kind: death (its node died), fetch (its node never heard of it).",
	}
	taskCancels = Metric{
		Name: "mcptasks.task.cancels", Kind: KindCounter, Unit: "{task}", Labels: []string{labelTool, labelKind},
		Meaning: "Tasks cancelled, by kind: owner, operator, job (somebody cancelled the River job).",
	}
	taskParks = Metric{
		Name: "mcptasks.task.parks", Kind: KindCounter, Unit: "{run}", Labels: []string{labelTool},
		Meaning: "Runs that ended because they asked a question; the task waits for the answer.",
	}
	tasks = Metric{
		Name: "mcptasks.tasks", Kind: KindGauge, Unit: "{task}", Labels: []string{labelKind},
		Meaning: "Tasks of the database that have not ended, by kind: working, input_required (parked). Every node reports the same.",
	}
	nodes = Metric{
		Name: "mcptasks.nodes", Kind: KindGauge, Unit: "{node}",
		Meaning: "Nodes that work tasks and have beaten within their lease. Every node reports the same.",
	}
	queueBacklog = Metric{
		Name: "mcptasks.queue.backlog", Kind: KindGauge, Unit: "{job}", Labels: []string{labelQueue, labelTool},
		Meaning: "Jobs that are due and wait for a worker. Every node reports the same.",
	}
	queueOldest = Metric{
		Name: "mcptasks.queue.oldest", Kind: KindGauge, Unit: "s", Labels: []string{labelQueue, labelTool},
		Meaning: "How long the job has been due that has waited longest for a worker. Every node reports the same.",
	}
	queueWait = Metric{
		Name: "mcptasks.queue.wait", Kind: KindHistogram, Unit: "s", Labels: []string{labelTool, labelQueue}, buckets: waits,
		Meaning: "From when a job was due to when a worker had claimed its task, by the clocks of the two nodes.",
	}
	runDuration = Metric{
		Name: "mcptasks.run.duration", Kind: KindHistogram, Unit: "s", Labels: []string{labelTool, labelOutcome}, buckets: waits,
		Meaning: "One run of a handler, from its claim until what came of it was written, by outcome: completed, error, failed, retried, parked, snoozed, cancelled, interrupted (the node stopped), lost (the task was another run's by then).",
	}
	runActive = Metric{
		Name: "mcptasks.run.active", Kind: KindUpDown, Unit: "{run}", Labels: []string{labelTool},
		Meaning: "Runs going on in this process.",
	}
	cancelLatency = Metric{
		Name: "mcptasks.cancel.latency", Kind: KindHistogram, Unit: "s", Labels: []string{labelTool}, buckets: quick,
		Meaning: "From a task's cancellation to the end of its handler's context, by the clocks of the two nodes. Only cancellations that met a run.",
	}
	sweeps = Metric{
		Name: "mcptasks.sweep.tasks", Kind: KindCounter, Unit: "{task}", Labels: []string{labelKind},
		Meaning: "Tasks that this node's sweeps saw to, by kind: expired (deleted), overdue (failed at their deadline), unanswered (run again without the answer), repaired (did not agree with their job), reaped (their node died).",
	}
	storeDuration = Metric{
		Name: "mcptasks.store.duration", Kind: KindHistogram, Unit: "s", Labels: []string{labelOp, labelOutcome}, buckets: quick,
		Meaning: "Operations of the store as this process sees them, waiting for a connection included, by outcome: ok, refused (there is no such task, bad input, a limit), error. Get and list read; create, answer and cancel are requests; claim, report, save_step, park, retry and finish a run's; beat, held, reap, sweep, notify (others of changes) and survey a node's.",
	}
	storeBatch = Metric{
		Name: "mcptasks.store.batch", Kind: KindHistogram, Unit: "{row}", Labels: []string{labelOp}, buckets: rows,
		Meaning: "How many tasks one statement reads or writes together.",
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
