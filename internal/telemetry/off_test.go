package telemetry_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// measured makes the telemetry of a task that is created, claimed, run with a step, and
// finished.
func measured(ctx context.Context, tracer *telemetry.Tracer, m *telemetry.Metrics) {
	_, created := tracer.Create(ctx, "report")
	stored := telemetry.Origin{Creator: created.SpanContext()}.String()
	telemetry.SetTask(created, "id", "")
	telemetry.End(created, nil)
	m.Creates.Add(ctx, 1, "report", "default")
	for _, op := range []string{"create", "claim", "save_step", "finish"} {
		m.Op(ctx, op, 1).End(ctx, telemetry.OK)
	}
	m.QueueWait.RecordDuration(ctx, time.Millisecond, "report", "default")
	m.Active.Add(ctx, 1, "report")
	run, span := tracer.Run(ctx, telemetry.ParseOrigin(stored), telemetry.Run{TaskID: "id", Tool: "report", RunSeq: 1, Attempt: 1})
	_, step := telemetry.Step(run, "key")
	telemetry.End(step, nil)
	m.Active.Add(ctx, -1, "report")
	m.RunTime.RecordDuration(ctx, time.Millisecond, "report", telemetry.Completed)
	telemetry.EndRun(span, telemetry.Completed, nil)
	m.Finishes.Add(ctx, 1, "report", telemetry.Completed)
}

var providers = map[string]struct {
	tracer trace.TracerProvider
	meter  metric.MeterProvider
}{
	"none set":    {nil, nil},
	"set to noop": {noop.NewTracerProvider(), metricnoop.NewMeterProvider()},
}

// Without an SDK, telemetry costs a whole task only the few allocations that OpenTelemetry's
// API makes for two spans.
func TestOffAllocatesNothing(t *testing.T) {
	for name, p := range providers {
		tracer, m := telemetry.NewTracer(p.tracer), telemetry.NewMetrics(p.meter)
		ctx, bare := t.Context(), cmp.Or(p.tracer, otel.GetTracerProvider()).Tracer(telemetry.Scope)
		apis := testing.AllocsPerRun(1000, func() {
			_, first := bare.Start(ctx, "")
			_, second := bare.Start(ctx, "")
			first.End()
			second.End()
		})
		if allocs := testing.AllocsPerRun(1000, func() { measured(ctx, tracer, m) }); allocs > apis || apis > 6 {
			t.Errorf("%s: a task takes %.0f allocations, its two spans alone %.0f", name, allocs, apis)
		}
	}
}

func BenchmarkOff(b *testing.B) {
	for name, p := range providers {
		b.Run(name, func(b *testing.B) {
			tracer, m := telemetry.NewTracer(p.tracer), telemetry.NewMetrics(p.meter)
			b.ReportAllocs()
			for b.Loop() {
				measured(b.Context(), tracer, m)
			}
		})
	}
}
