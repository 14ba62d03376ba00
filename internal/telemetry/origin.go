package telemetry

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// w3c is the format of trace contexts, both in requests (SEP-414) and in the database.
var w3c propagation.TraceContext

// Origin links a task's next run to the spans that led to it. It is stored with the task.
type Origin struct {
	// Creator is the span that created the task. It is the parent of all runs.
	Creator trace.SpanContext
	// Cause is the span that led to the next run, for runs after the first: the run
	// that failed, the answer, the recovery. It is never the run of a killed node,
	// whose span is not exported.
	Cause trace.SpanContext
}

// stored is an Origin's JSON.
type stored struct {
	TraceParent string `json:"traceparent,omitempty"`
	TraceState  string `json:"tracestate,omitempty"`
	Cause       string `json:"cause,omitempty"` // a traceparent
}

// ParseOrigin reads what String wrote. It returns the zero Origin for any other text.
func ParseOrigin(text string) Origin {
	if text == "" {
		return Origin{}
	}
	var s stored
	if json.Unmarshal([]byte(text), &s) != nil {
		return Origin{}
	}
	return Origin{Creator: parse(s.TraceParent, s.TraceState), Cause: parse(s.Cause, "")}
}

// String returns the origin as it is stored, "" without a creator.
func (o Origin) String() string {
	if !o.Creator.IsValid() {
		return ""
	}
	creator, cause := format(o.Creator), format(o.Cause)
	data, _ := json.Marshal(stored{TraceParent: creator[traceParent], TraceState: creator[traceState], Cause: cause[traceParent]}) // strings always marshal
	return string(data)
}

// After returns the stored origin of a run that the span of ctx causes, "" if it would not
// change what is stored.
func After(ctx context.Context, stored string) string {
	origin, cause := ParseOrigin(stored), trace.SpanContextFromContext(ctx)
	if !cause.IsValid() || cause.SpanID() == origin.Creator.SpanID() {
		return "" // nothing is traced here: the span is the creator's, passed on
	}
	if !origin.Creator.IsValid() { // the task's creation was not traced
		origin.Creator = cause
	}
	origin.Cause = cause
	return origin.String()
}

const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

func parse(parent, state string) trace.SpanContext {
	ctx := w3c.Extract(context.Background(), propagation.MapCarrier{traceParent: parent, traceState: state})
	return trace.SpanContextFromContext(ctx)
}

func format(span trace.SpanContext) propagation.MapCarrier {
	carrier := make(propagation.MapCarrier, 2)
	w3c.Inject(trace.ContextWithSpanContext(context.Background(), span), carrier)
	return carrier
}
