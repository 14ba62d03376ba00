package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// A Counter is a counter. The values of its labels are in the order of its Metric's
// Labels.
type Counter struct {
	instrument metric.Int64Counter
	labels     *labels[metric.AddOption]
}

func newCounter(meter metric.Meter, m Metric) Counter {
	instrument, err := meter.Int64Counter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Meaning))
	report(err)
	return Counter{instrument, newLabels[metric.AddOption](m)}
}

// Add adds n.
func (c Counter) Add(ctx context.Context, n int, values ...string) {
	if n != 0 && c.instrument.Enabled(ctx) {
		c.instrument.Add(ctx, int64(n), c.labels.of(values)...)
	}
}

// An UpDown is an up-down counter.
type UpDown struct {
	instrument metric.Int64UpDownCounter
	labels     *labels[metric.AddOption]
}

func newUpDown(meter metric.Meter, m Metric) UpDown {
	instrument, err := meter.Int64UpDownCounter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Meaning))
	report(err)
	return UpDown{instrument, newLabels[metric.AddOption](m)}
}

// Add adds n, which may be negative.
func (u UpDown) Add(ctx context.Context, n int, values ...string) {
	if u.instrument.Enabled(ctx) {
		u.instrument.Add(ctx, int64(n), u.labels.of(values)...)
	}
}

// A Histogram is a histogram of durations or numbers.
type Histogram struct {
	instrument metric.Float64Histogram
	labels     *labels[metric.RecordOption]
}

func newHistogram(meter metric.Meter, m Metric) Histogram {
	instrument, err := meter.Float64Histogram(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Meaning),
		metric.WithExplicitBucketBoundaries(m.buckets...))
	report(err)
	return Histogram{instrument, newLabels[metric.RecordOption](m)}
}

// RecordDuration records a duration. It records 0 for a negative one, which the clocks of
// two machines may give.
func (h Histogram) RecordDuration(ctx context.Context, d time.Duration, values ...string) {
	h.Record(ctx, max(d, 0).Seconds(), values...)
}

// Record records a value.
func (h Histogram) Record(ctx context.Context, value float64, values ...string) {
	if h.instrument.Enabled(ctx) {
		h.instrument.Record(ctx, value, h.labels.of(values)...)
	}
}

// maxLabels is the largest number of labels that a metric has.
const maxLabels = 2

// labels returns options for the values of a metric's labels. It makes the options for
// each combination of values once.
type labels[Option any] struct {
	names []string

	mu      sync.RWMutex
	options map[[maxLabels]string][]Option
}

func newLabels[Option any](m Metric) *labels[Option] {
	return &labels[Option]{names: m.Labels, options: make(map[[maxLabels]string][]Option)}
}

func (l *labels[Option]) of(values []string) []Option {
	if len(values) != len(l.names) {
		panic("mcptasks/telemetry: wrong number of label values") // the first test that uses the metric finds it
	}
	var key [maxLabels]string
	copy(key[:], values)
	l.mu.RLock()
	options, ok := l.options[key]
	l.mu.RUnlock()
	if ok {
		return options
	}
	attributes := make([]attribute.KeyValue, len(values))
	for i, value := range values {
		attributes[i] = attribute.String(l.names[i], text(value))
	}
	option := any(metric.WithAttributeSet(attribute.NewSet(attributes...)))
	options = []Option{option.(Option)} //nolint:errcheck,forcetypeassert // a MeasurementOption implements each kind of option
	l.mu.Lock()
	defer l.mu.Unlock()
	l.options[key] = options
	return options
}

// report passes an error of the SDK to the SDK's handler: a failed measurement must not
// stop a task.
func report(err error) {
	if err != nil {
		otel.Handle(err)
	}
}
