package telemetry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/mcptasks/mcptasks/internal/telemetry"
)

func collect(t *testing.T, reader sdk.Reader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != telemetry.Scope {
			t.Errorf("metrics of scope %q", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			byName[m.Name] = m
		}
	}
	return byName
}

// Exported metrics are as the catalog describes them.
func TestCatalogIsWhatIsExported(t *testing.T) {
	reader := sdk.NewManualReader()
	m := telemetry.NewMetrics(sdk.NewMeterProvider(sdk.WithReader(reader)))
	ctx := t.Context()
	m.Creates.Add(ctx, 1, "tool", "queue")
	m.Finishes.Add(ctx, 1, "tool", telemetry.Completed)
	m.Retries.Add(ctx, 1, "tool")
	m.Recoveries.Add(ctx, 1, "tool", telemetry.Death)
	m.Cancels.Add(ctx, 1, "tool", telemetry.ByOwner)
	m.Parks.Add(ctx, 1, "tool")
	m.Swept.Add(ctx, 1, telemetry.Reaped)
	m.Active.Add(ctx, 1, "tool")
	m.QueueWait.RecordDuration(ctx, time.Second, "tool", "queue")
	m.RunTime.RecordDuration(ctx, time.Second, "tool", telemetry.Completed)
	m.CancelLatency.RecordDuration(ctx, time.Second, "tool")
	m.Op(ctx, "claim", 1).End(ctx, telemetry.OK)
	defer m.Observe(func(context.Context) *telemetry.Figures {
		return &telemetry.Figures{Working: 1, Queues: []telemetry.Backlog{{Queue: "queue", Tool: "tool", Jobs: 1, Oldest: time.Second}}}
	})()

	exported := collect(t, reader)
	for _, want := range telemetry.Catalog() {
		got, ok := exported[want.Name]
		if !ok {
			t.Errorf("%s is not exported", want.Name)
			continue
		}
		delete(exported, want.Name)
		kind, labels := describe(got.Data)
		if kind != want.Kind || got.Unit != want.Unit || got.Description != want.Meaning || !slices.Equal(labels, slices.Sorted(slices.Values(want.Labels))) {
			t.Errorf("%s is a %s in %q with labels %q: %s", want.Name, kind, got.Unit, labels, got.Description)
		}
		for _, label := range want.Labels {
			if !slices.Contains([]string{"tool", "queue", "outcome", "op", "kind"}, label) {
				t.Errorf("%s has a label %q", want.Name, label)
			}
		}
	}
	for name := range exported {
		t.Errorf("%s is not in the catalog", name)
	}
}

func describe(data metricdata.Aggregation) (kind telemetry.Kind, labels []string) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		kind = telemetry.KindUpDown
		if d.IsMonotonic {
			kind = telemetry.KindCounter
		}
		labels = labelsOf(d.DataPoints)
	case metricdata.Gauge[int64]:
		kind, labels = telemetry.KindGauge, labelsOf(d.DataPoints)
	case metricdata.Gauge[float64]:
		kind, labels = telemetry.KindGauge, labelsOf(d.DataPoints)
	case metricdata.Histogram[float64]:
		kind = telemetry.KindHistogram
		for _, kv := range d.DataPoints[0].Attributes.ToSlice() {
			labels = append(labels, string(kv.Key))
		}
	}
	return kind, labels
}

func labelsOf[N int64 | float64](points []metricdata.DataPoint[N]) (labels []string) {
	for _, kv := range points[0].Attributes.ToSlice() {
		labels = append(labels, string(kv.Key))
	}
	return labels
}

// The database is read once in a few seconds, however often metrics are collected, even if
// it does not answer.
func TestFiguresAreReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, away := 0, false
		read := func(context.Context) *telemetry.Figures {
			if reads++; away {
				return nil
			}
			return &telemetry.Figures{Nodes: reads}
		}
		first, second := sdk.NewManualReader(), sdk.NewManualReader()
		m := telemetry.NewMetrics(sdk.NewMeterProvider(sdk.WithReader(first), sdk.WithReader(second)))
		stop := m.Observe(read)

		nodes := func(reader sdk.Reader) int64 {
			gauge, ok := collect(t, reader)["mcptasks.nodes"].Data.(metricdata.Gauge[int64])
			if !ok {
				return -1
			}
			return gauge.DataPoints[0].Value
		}
		want := func(what string, n int64, times int) {
			t.Helper()
			for _, reader := range []sdk.Reader{first, second, first} {
				if got := nodes(reader); got != n || reads != times {
					t.Errorf("%s: %d nodes after %d reads, want %d after %d", what, got, reads, n, times)
				}
			}
		}
		want("at first", 1, 1)
		time.Sleep(4 * time.Second) // the bubble's clock
		want("soon after", 1, 1)
		time.Sleep(2 * time.Second)
		want("later", 2, 2)
		away = true
		time.Sleep(6 * time.Second)
		want("away", -1, 3)
		stop()
		time.Sleep(6 * time.Second)
		want("stopped", -1, 3)
	})
}

// Clocks that differ give no negative durations, and bytes that are not UTF-8 do not reach
// an exporter.
func TestMetricsTakeWhatTheyGet(t *testing.T) {
	reader := sdk.NewManualReader()
	m := telemetry.NewMetrics(sdk.NewMeterProvider(sdk.WithReader(reader)))
	m.QueueWait.RecordDuration(t.Context(), -time.Hour, "a\xff", "default")
	points := collect(t, reader)["mcptasks.queue.wait"].Data.(metricdata.Histogram[float64]).DataPoints //nolint:errcheck,forcetypeassert // a panic will do
	if points[0].Sum != 0 || points[0].Count != 1 {
		t.Errorf("recorded %v", points[0].Sum)
	}
	if tool, _ := points[0].Attributes.Value("tool"); tool.AsString() != "a\uFFFD" {
		t.Errorf("the label is %q", tool.AsString())
	}
}

// The meaning of each metric is a sentence that names all values of its labels.
func TestMeaningsNameTheirValues(t *testing.T) {
	named := map[string][]string{
		"mcptasks.task.finishes":   {telemetry.Completed, telemetry.Error, telemetry.Failed, telemetry.Cancelled},
		"mcptasks.task.recoveries": {telemetry.Death, telemetry.Fetch},
		"mcptasks.task.cancels":    {telemetry.ByOwner, telemetry.ByOperator, telemetry.ByJob},
		"mcptasks.run.duration": {
			telemetry.Completed, telemetry.Error, telemetry.Failed, telemetry.Retried, telemetry.Parked, telemetry.Snoozed,
			telemetry.Cancelled, telemetry.Interrupted, telemetry.Lost,
		},
		"mcptasks.sweep.tasks": {telemetry.Expired, telemetry.Overdue, telemetry.Unanswered, telemetry.Repaired, telemetry.Reaped},
		"mcptasks.store.duration": {
			telemetry.OK, telemetry.Rejected, telemetry.Error,
			telemetry.OpCreate, telemetry.OpGet, telemetry.OpList, telemetry.OpAnswer, telemetry.OpCancel, telemetry.OpClaim, telemetry.OpCheckRuns,
			telemetry.OpProgress, telemetry.OpSaveStep, telemetry.OpPark, telemetry.OpFailAttempt, telemetry.OpFinish, telemetry.OpHeartbeat,
			telemetry.OpReap, telemetry.OpSweep, telemetry.OpNotify, telemetry.OpSurvey,
		},
	}
	for _, m := range telemetry.Catalog() {
		if !strings.HasSuffix(m.Meaning, ".") || strings.ToUpper(m.Meaning[:1]) != m.Meaning[:1] {
			t.Errorf("%s: %q is not a sentence", m.Name, m.Meaning)
		}
		for _, value := range named[m.Name] {
			if !strings.Contains(m.Meaning, value) {
				t.Errorf("%s does not name %s", m.Name, value)
			}
		}
		delete(named, m.Name)
	}
	if len(named) > 0 {
		t.Errorf("no metrics: %s", fmt.Sprint(named))
	}
}
