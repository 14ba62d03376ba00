package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Figures are numbers about the whole database.
type Figures struct {
	Working, InputRequired int // tasks that have not ended
	Nodes                  int // with a heartbeat within their lease
	Queues                 []Backlog
}

// Backlog is how many jobs of a tool wait for a worker.
type Backlog struct {
	Queue, Tool string
	Jobs        int
	Oldest      time.Duration
}

const (
	// figuresAge limits how old figures may be. The database is read at most once in
	// this time, however often metrics are collected.
	figuresAge = 5 * time.Second

	// figuresLimit limits one reading: a collection must not hang if the database does.
	figuresLimit = 5 * time.Second
)

// Observe reports the figures that read returns when metrics are collected. It calls read
// at most once in a few seconds. It reports nothing if read returns nil. stop ends it.
func (m *Metrics) Observe(read func(context.Context) *Figures) (stop func()) {
	gauge := func(d Metric) metric.Int64ObservableGauge {
		g, err := m.meter.Int64ObservableGauge(d.Name, metric.WithUnit(d.Unit), metric.WithDescription(d.Meaning))
		report(err)
		return g
	}
	oldest, err := m.meter.Float64ObservableGauge(queueOldest.Name, metric.WithUnit(queueOldest.Unit), metric.WithDescription(queueOldest.Meaning))
	report(err)
	tasks, nodes, backlog := gauge(tasks), gauge(nodes), gauge(queueBacklog)
	last := lastFigures{read: read}
	registration, err := m.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		figures := last.get(ctx)
		if figures == nil {
			return nil
		}
		o.ObserveInt64(tasks, int64(figures.Working), metric.WithAttributes(attribute.String(labelKind, "working")))
		o.ObserveInt64(tasks, int64(figures.InputRequired), metric.WithAttributes(attribute.String(labelKind, "input_required")))
		o.ObserveInt64(nodes, int64(figures.Nodes))
		for _, q := range figures.Queues {
			at := metric.WithAttributes(attribute.String(labelQueue, text(q.Queue)), attribute.String(labelTool, text(q.Tool)))
			o.ObserveInt64(backlog, int64(q.Jobs), at)
			o.ObserveFloat64(oldest, max(q.Oldest, 0).Seconds(), at)
		}
		return nil
	}, tasks, nodes, backlog, oldest)
	if err != nil {
		report(err)
		return func() {}
	}
	return func() { report(registration.Unregister()) }
}

// lastFigures holds the figures of the last reading.
type lastFigures struct {
	read func(context.Context) *Figures

	mu      sync.Mutex
	figures *Figures
	at      time.Time
}

// get returns figures that are at most figuresAge old, or nil if reading failed. It does
// not repeat a failed reading before that time either.
func (l *lastFigures) get(ctx context.Context) *Figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.IsZero() && time.Since(l.at) < figuresAge {
		return l.figures
	}
	ctx, cancel := context.WithTimeout(ctx, figuresLimit)
	defer cancel()
	l.figures = l.read(ctx)
	l.at = time.Now()
	return l.figures
}
