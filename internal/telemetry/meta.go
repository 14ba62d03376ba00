package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// WithMeta returns meta with the context's trace context in it (SEP-414), unless it
// has one or there is none to put there. meta is written to, and made if it is nil.
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

// metaCarrier reads a request's _meta.
type metaCarrier map[string]any

func (m metaCarrier) Get(key string) string {
	value, _ := m[key].(string)
	return value
}

// Set is not called: what is received is only read.
func (m metaCarrier) Set(key, value string) { m[key] = value }

func (m metaCarrier) Keys() []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}
