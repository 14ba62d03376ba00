package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// span returns a span context whose trace id and span id repeat one digit each.
func span(t *testing.T, traceID, spanID string, flags trace.TraceFlags) trace.SpanContext {
	t.Helper()
	id, err := trace.TraceIDFromHex(strings.Repeat(traceID, 32))
	if err != nil {
		t.Fatal(err)
	}
	sid, err := trace.SpanIDFromHex(strings.Repeat(spanID, 16))
	if err != nil {
		t.Fatal(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: sid, TraceFlags: flags})
}

func within(ctx context.Context, span trace.SpanContext) context.Context {
	return trace.ContextWithSpanContext(ctx, span)
}

// same compares the parts that are sent.
func same(a, b trace.SpanContext) bool {
	return a.TraceID() == b.TraceID() && a.SpanID() == b.SpanID() && a.TraceFlags() == b.TraceFlags() && a.TraceState().String() == b.TraceState().String()
}

func TestOriginIsStoredAndRead(t *testing.T) {
	creator, cause := span(t, "a", "b", trace.FlagsSampled), span(t, "c", "d", 0)
	state, err := trace.ParseTraceState("vendor=1,other=2")
	if err != nil {
		t.Fatal(err)
	}
	creator = creator.WithTraceState(state)
	stored := telemetry.Origin{Creator: creator}.String()
	if want := `{"traceparent":"00-` + strings.Repeat("a", 32) + "-" + strings.Repeat("b", 16) + `-01","tracestate":"vendor=1,other=2"}`; stored != want {
		t.Errorf("stored %s", stored)
	}
	if got := telemetry.ParseOrigin(stored); !same(got.Creator, creator) || got.Cause.IsValid() {
		t.Errorf("read %+v", got)
	}
	again := telemetry.After(within(t.Context(), cause), stored)
	if got := telemetry.ParseOrigin(again); !same(got.Creator, creator) || !same(got.Cause, cause) {
		t.Errorf("read %+v", got)
	}
	for _, text := range []string{"", "null", "{", `{"traceparent":"no"}`, `"00-1"`, `{"cause":"00-` + strings.Repeat("a", 32) + `"}`} {
		if got := telemetry.ParseOrigin(text); got.Creator.IsValid() || got.Cause.IsValid() {
			t.Errorf("%s was read as %+v", text, got)
		}
	}
}

// Without a span nothing is stored. If the creation was not traced, the first run takes the
// creator's place.
func TestNothingIsStoredOfNothing(t *testing.T) {
	run := span(t, "a", "b", trace.FlagsSampled)
	if stored := (telemetry.Origin{}).String(); stored != "" {
		t.Errorf("stored %s of nothing", stored)
	}
	if stored := telemetry.After(t.Context(), ""); stored != "" {
		t.Errorf("stored %s after nothing", stored)
	}
	stored := telemetry.Origin{Creator: run}.String()
	if again := telemetry.After(within(t.Context(), run), stored); again != "" { // as by a node that does not trace
		t.Errorf("stored %s after the creator itself", again)
	}
	if got := telemetry.ParseOrigin(telemetry.After(within(t.Context(), run), "")); !same(got.Creator, run) {
		t.Errorf("without a creator the origin is %+v", got)
	}
}

func tracer() (*telemetry.Tracer, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return telemetry.NewTracer(sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))), recorder
}

func only(t *testing.T, recorder *tracetest.SpanRecorder) sdk.ReadOnlySpan {
	t.Helper()
	ended := recorder.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans", len(ended))
	}
	return ended[0]
}

// The trace context in a request's _meta has precedence over the HTTP request's.
func TestRequestsParent(t *testing.T) {
	ambient, client := span(t, "a", "b", trace.FlagsSampled), span(t, "c", "d", trace.FlagsSampled)
	meta := telemetry.WithMeta(within(t.Context(), client), map[string]any{"baggage": "user=1"})
	for name, tc := range map[string]struct {
		ambient        trace.SpanContext
		meta           map[string]any
		parent, linked trace.SpanContext
	}{
		"both":      {ambient, meta, client, ambient},
		"_meta":     {trace.SpanContext{}, meta, client, trace.SpanContext{}},
		"ambient":   {ambient, nil, ambient, trace.SpanContext{}},
		"malformed": {ambient, map[string]any{"traceparent": 5, "tracestate": "x"}, ambient, trace.SpanContext{}},
		"neither":   {},
	} {
		tracer, recorder := tracer()
		stale := within(t.Context(), span(t, "e", "f", trace.FlagsSampled)) // the SDK keeps that of the session's first request
		ctx, s := tracer.Request(stale, within(t.Context(), tc.ambient), "tools/call", "report", tc.meta)
		s.End()
		got := only(t, recorder)
		if !same(got.Parent(), tc.parent) || got.SpanKind() != trace.SpanKindServer || got.Name() != "tools/call report" {
			t.Errorf("%s: %s, a %s, has parent %+v", name, got.Name(), got.SpanKind(), got.Parent())
		}
		if links := got.Links(); tc.linked.IsValid() != (len(links) == 1) || len(links) == 1 && !same(links[0].SpanContext, tc.linked) {
			t.Errorf("%s: links %+v", name, links)
		}
		if tc.meta["baggage"] != nil && baggage.FromContext(ctx).Member("user").Value() != "1" {
			t.Errorf("%s: the baggage is lost", name)
		}
	}
}

// The cause of a further run is in the task's trace, but an answer is in its sender's.
func TestAgainsParent(t *testing.T) {
	creator, ambient := span(t, "a", "b", trace.FlagsSampled), span(t, "c", "d", trace.FlagsSampled)
	none := trace.SpanContext{}
	for _, tc := range []struct {
		name                             string
		creator, ambient, parent, linked trace.SpanContext
	}{
		{telemetry.SpanRecover, creator, none, creator, none},
		{telemetry.SpanRecover, creator, ambient, creator, ambient},
		{telemetry.SpanRecover, none, ambient, ambient, none},
		{telemetry.SpanRecover, none, none, none, none},
		{telemetry.SpanAnswer, creator, none, creator, none},
		{telemetry.SpanAnswer, creator, ambient, ambient, creator},
		{telemetry.SpanAnswer, creator, creator, creator, none},
	} {
		tracer, recorder := tracer()
		_, s := tracer.Cause(within(t.Context(), tc.ambient), tc.name, "report", telemetry.Origin{Creator: tc.creator})
		s.End()
		got := only(t, recorder)
		links := got.Links()
		if !same(got.Parent(), tc.parent) || tc.linked.IsValid() != (len(links) == 1) || len(links) == 1 && !same(links[0].SpanContext, tc.linked) {
			t.Errorf("%+v: parent %+v, links %+v", tc, got.Parent(), links)
		}
	}
}

// There are no links to spans that were not sampled.
func TestRunsLink(t *testing.T) {
	creator := span(t, "a", "b", trace.FlagsSampled)
	for flags, links := range map[trace.TraceFlags]int{trace.FlagsSampled: 1, 0: 0} {
		tracer, recorder := tracer()
		_, s := tracer.Run(t.Context(), telemetry.Origin{Creator: creator, Cause: span(t, "a", "c", flags)}, telemetry.Run{Tool: "report"})
		telemetry.EndRun(s, telemetry.Completed, nil)
		if got := only(t, recorder); len(got.Links()) != links || !same(got.Parent(), creator) {
			t.Errorf("flags %v: parent %+v, links %+v", flags, got.Parent(), got.Links())
		}
	}
}

// A span has the error only if the run failed. The error may contain any bytes.
func TestRunsError(t *testing.T) {
	for outcome, want := range map[string]codes.Code{
		telemetry.Error: codes.Error, telemetry.Failed: codes.Error, telemetry.Retried: codes.Error,
		telemetry.Completed: codes.Unset, telemetry.Parked: codes.Unset, telemetry.Cancelled: codes.Unset,
	} {
		tracer, recorder := tracer()
		ctx, s := tracer.Run(t.Context(), telemetry.Origin{}, telemetry.Run{Tool: "report"})
		_, step := telemetry.Step(ctx, "a\xff"+strings.Repeat("x", 5000))
		telemetry.End(step, nil)
		telemetry.EndRun(s, outcome, errors.New("no\xff luck"))
		spans := recorder.Ended()
		run := spans[1]
		if run.Status().Code != want || want == codes.Error && run.Status().Description != "no\uFFFD luck" {
			t.Errorf("%s: status %+v", outcome, run.Status())
		}
		key := attributes(spans[0])["mcptasks.step.key"].AsString()
		if spans[0].Name() != "step" || !same(spans[0].Parent(), run.SpanContext()) || !strings.HasPrefix(key, "a\uFFFDx") || len(key) > 1100 {
			t.Errorf("%s: the step is %s with key %.20q… of %d bytes", outcome, spans[0].Name(), key, len(key))
		}
	}
}

func attributes(s sdk.ReadOnlySpan) map[attribute.Key]attribute.Value {
	all := make(map[attribute.Key]attribute.Value)
	for _, kv := range s.Attributes() {
		all[kv.Key] = kv.Value
	}
	return all
}
