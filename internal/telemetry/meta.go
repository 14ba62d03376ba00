package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// WithMeta returns meta with the trace context of ctx (SEP-414). It leaves meta as it is if
// meta has a trace context or ctx has none. Otherwise it writes to meta, or makes a new map
// if meta is nil.
func WithMeta(ctx context.Context, meta map[string]any) map[string]any {
	span := trace.SpanContextFromContext(ctx)
	if _, given := meta[traceParent]; given || !span.IsValid() {
		return meta
	}
	if meta == nil {
		meta = make(map[string]any, 2)
	}
	for key, value := range format(span) {
		meta[key] = value
	}
	return meta
}

// fromMeta returns ctx with the trace context and the baggage of a request's _meta, if
// it has any.
func fromMeta(ctx context.Context, meta map[string]any) context.Context {
	carrier := metaCarrier(meta)
	return propagation.Baggage{}.Extract(w3c.Extract(ctx, carrier), carrier)
}

// metaCarrier is a propagation.TextMapCarrier that reads a request's _meta.
type metaCarrier map[string]any

func (m metaCarrier) Get(key string) string {
	value, _ := m[key].(string)
	return value
}

// Set is never called, since a received _meta is only read.
func (m metaCarrier) Set(key, value string) { m[key] = value }

func (m metaCarrier) Keys() []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}
